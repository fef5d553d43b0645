import type { Texts } from '../catalogue';
import type { resume as english } from '../en/resume';

export const resume: Texts<typeof english> = {
  'resume.go': { one: '{count} Foto fortsetzen', other: '{count} Fotos fortsetzen' },
  'resume.asking': 'Dateien werden geöffnet … Wo der Browser fragt, erlauben Sie ihm das Lesen.',
  'resume.opening': {
    one: 'Dateien werden geöffnet … {count} Datei',
    other: 'Dateien werden geöffnet … {count} Dateien',
  },
  'resume.drop': {
    one: '{count} Foto wurde nicht zu Ende gesendet. Legen Sie seine Datei oder seinen Ordner noch einmal hier ab, dann geht es weiter.',
    other:
      '{count} Fotos wurden nicht zu Ende gesendet. Legen Sie ihre Dateien oder Ordner noch einmal hier ab, dann geht es weiter.',
  },
  'resume.dropFolder': {
    one: '{count} Foto wurde nicht zu Ende gesendet. Legen Sie den Ordner „{folder}“ noch einmal hier ab, dann geht es weiter.',
    other:
      '{count} Fotos wurden nicht zu Ende gesendet. Legen Sie den Ordner „{folder}“ noch einmal hier ab, dann geht es weiter.',
  },
  'resume.passedOver': {
    one: '{count} dieser Dateien ist schon gespeichert oder unterwegs und wird nicht zweimal gesendet.',
    other: '{count} dieser Dateien sind schon gespeichert oder unterwegs und werden nicht zweimal gesendet.',
  },
  'resume.changed': {
    one: '{count} Datei hat sich seit dem Beginn ihres Uploads geändert: {path}. Sie wird neu gesendet, wie sie jetzt ist; das Begonnene bleibt in der Liste, bis Sie es abbrechen.',
    other:
      '{count} Dateien haben sich seit dem Beginn ihres Uploads geändert, als erste {path}. Sie werden neu gesendet, wie sie jetzt sind; das Begonnene bleibt in der Liste, bis Sie es abbrechen.',
  },
  'resume.changedGivenUp': {
    one: '{count} Datei hat sich seit dem Beginn ihres Uploads geändert: {path}. Sie wird neu gesendet, wie sie jetzt ist, und das Begonnene wird aufgegeben.',
    other:
      '{count} Dateien haben sich seit dem Beginn ihres Uploads geändert, als erste {path}. Sie werden neu gesendet, wie sie jetzt sind, und das Begonnene wird aufgegeben.',
  },
  'resume.refused': 'Der Browser darf „{name}“ nicht lesen. Legen Sie es noch einmal hier ab, dann geht es weiter.',
  'resume.gone': {
    one: '{count} Datei ist nicht mehr, wo sie war: {path}. Legen Sie sie von ihrem neuen Ort hier ab.',
    other:
      '{count} Dateien sind nicht mehr, wo sie waren, als erste {path}. Legen Sie sie von ihrem neuen Ort hier ab.',
  },
  'resume.notKept':
    'Dieser Browser merkt sich nicht, was unterwegs ist ({reason}). Legen Sie nach einem Neuladen den Ordner noch einmal hier ab, dann geht es weiter.',
};
