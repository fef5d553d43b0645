import { answering } from './blobWorkers';
import { contentHashHere } from './contentHash';

self.onmessage = answering(contentHashHere);
