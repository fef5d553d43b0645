/** What stopped an upload, and what to do about it: lib/upload/faults.ts. */
export const faults = {
  'fault.offline': 'The server cannot be reached. Check the connection, then try again.',
  'fault.stalled': 'No byte got through for half a minute. Check the connection, then try again.',
  'fault.unavailable': 'The server is starting, or is away behind its proxy. Wait a moment, then try again.',
  'fault.throttled': 'The server asks for patience. Wait a moment, then try again.',
  'fault.signed-out': 'You are signed out. Sign in again; the upload goes on from where it was.',
  'fault.expired':
    'The store refused one signed address after the other. Check that the clocks of server and store are right, then retry.',
  'fault.changed': 'The file was changed on the disk after it was chosen. Choose it again.',
  'fault.vanished':
    'The file is no longer where it was chosen: moved, renamed or deleted. Put it back, or choose it again.',
  'fault.quota': 'There is no room left where photos are stored. Nothing was lost: have room made there, then retry.',
  'fault.corrupted':
    'The bytes that arrived differ from the file, three times in a row. Check the network and the disk, then retry.',
  'fault.cut-off':
    'The bytes do not get through although the server answers. Try again; where photos go to another host, its CORS rules must allow this page.',
  'fault.server-fault': 'Something went wrong inside the server. Try again; its log says what it was.',
  'fault.refused': 'The server does not take this file, and did not say why. Try again, or choose another one.',
  'fault.unexplained': 'The server answered {status} without saying why. Try again.',
  'fault.no-address': 'The server gave no address to send this file to. Retry the photo.',
  'fault.hidden-etag': 'The store hides the ETag. Let its CORS rules expose the ETag header.',
  'fault.upload-gone': 'This upload has ended: it was cancelled, has expired, or its parts are gone. Retry the photo.',
  'fault.store-refuses': 'The store refuses this file: {message} ({code})',
  'fault.store-answers': 'The store refuses this file with {status} ({code}).',
} as const;
