import { answering } from './blobWorkers';
import { checksumHere } from './checksum';

self.onmessage = answering(checksumHere);
