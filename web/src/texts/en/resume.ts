/** Going on with what was begun before a reload, in another tab or by another browser. */
export const resume = {
  'resume.go': { one: 'Resume {count} photo', other: 'Resume {count} photos' },
  'resume.asking': 'Opening files… Where the browser asks, let it read them.',
  'resume.opening': { one: 'Opening files… {count} file', other: 'Opening files… {count} files' },
  'resume.drop': {
    one: '{count} photo was not sent to its end. Drop its file or folder here again to go on.',
    other: '{count} photos were not sent to their end. Drop their files or folders here again to go on.',
  },
  'resume.dropFolder': {
    one: '{count} photo was not sent to its end. Drop the folder “{folder}” here again to go on.',
    other: '{count} photos were not sent to their end. Drop the folder “{folder}” here again to go on.',
  },
  'resume.passedOver': {
    one: '{count} of these files is stored or on its way already, and is not sent twice.',
    other: '{count} of these files are stored or on their way already, and are not sent twice.',
  },
  'resume.changed': {
    one: '{count} file has changed since its upload began: {path}. It is sent anew, as it is now; what was begun stays in the list until you cancel it.',
    other:
      '{count} files have changed since their upload began, first {path}. They are sent anew, as they are now; what was begun stays in the list until you cancel it.',
  },
  'resume.changedGivenUp': {
    one: '{count} file has changed since its upload began: {path}. It is sent anew, as it is now, and what was begun is given up.',
    other:
      '{count} files have changed since their upload began, first {path}. They are sent anew, as they are now, and what was begun is given up.',
  },
  'resume.refused': 'The browser may not read “{name}”. Drop it here again to go on.',
  'resume.gone': {
    one: '{count} file is no longer where it was: {path}. Drop it here from where it is now.',
    other: '{count} files are no longer where they were, first {path}. Drop them here from where they are now.',
  },
  'resume.notKept':
    'This browser keeps no list of what is under way ({reason}). After a reload, drop the folder again to go on.',
} as const;
