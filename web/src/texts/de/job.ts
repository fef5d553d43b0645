import type { Texts } from '../catalogue';
import type { job as english } from '../en/job';

export const job: Texts<typeof english> = {
  'job.title': 'Auftrag',
  'job.pick': 'Gezeigter Auftrag',
  'job.all': { one: '{count} Auftrag', other: 'Alle {count} Aufträge' },
  'job.name': '{name} · {photos}',
  'job.open': 'Auftragsseite',
  'job.fetching': 'Der Auftrag wird geladen …',
  'job.missing': 'Diesen Auftrag gibt es nicht, oder es ist nicht Ihrer.',
  'job.photos': 'Fotos dieses Auftrags',
  'job.begun': 'Begonnen am {date}',
  'job.left': 'fertig in etwa {time}',
  'job.receipt': 'Beleg',
  'job.receiptHint': 'Jede Datei mit Zustand, Größe, Prüfsumme und den Zeiten ihrer Stufen.',
  'job.receiptCsv': 'Als CSV herunterladen',
  'job.receiptJson': 'Als JSON herunterladen',
  'job.status.QUEUED': 'Wartet',
  'job.status.IN_PROGRESS': 'Läuft',
  'job.status.COMPLETED': 'Fertig',
  'job.status.COMPLETED_WITH_ERRORS': 'Fertig mit Fehlern',
  'job.status.FAILED': 'Fehlgeschlagen',
  'job.status.CANCELLED': 'Abgebrochen',
};
