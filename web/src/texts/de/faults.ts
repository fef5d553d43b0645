import type { Texts } from '../catalogue';
import type { faults as english } from '../en/faults';

export const faults: Texts<typeof english> = {
  'fault.offline': 'Der Server ist nicht erreichbar. Verbindung prüfen, dann erneut versuchen.',
  'fault.stalled': 'Eine halbe Minute lang kam kein Byte durch. Verbindung prüfen, dann erneut versuchen.',
  'fault.unavailable': 'Der Server startet gerade oder fehlt hinter seinem Proxy. Kurz warten, dann erneut versuchen.',
  'fault.throttled': 'Der Server bittet um Geduld. Kurz warten, dann erneut versuchen.',
  'fault.signed-out': 'Abgemeldet. Bitte neu anmelden; das Hochladen geht weiter, wo es stand.',
  'fault.expired':
    'Der Speicher hat eine signierte Adresse nach der anderen abgelehnt. Die Uhren von Server und Speicher prüfen, dann wiederholen.',
  'fault.changed': 'Die Datei wurde nach der Auswahl auf der Platte geändert. Bitte erneut auswählen.',
  'fault.vanished':
    'Die Datei ist nicht mehr dort, wo sie ausgewählt wurde: verschoben, umbenannt oder gelöscht. Zurücklegen oder erneut auswählen.',
  'fault.quota':
    'Wo die Fotos gespeichert werden, ist kein Platz mehr. Nichts ging verloren: dort Platz schaffen lassen, dann wiederholen.',
  'fault.corrupted':
    'Was ankam, weicht dreimal nacheinander von der Datei ab. Netz und Platte prüfen, dann wiederholen.',
  'fault.cut-off':
    'Die Daten kommen nicht durch, obwohl der Server antwortet. Erneut versuchen; gehen die Fotos an einen anderen Rechner, müssen dessen CORS-Regeln diese Seite zulassen.',
  'fault.server-fault': 'Im Server ist etwas schiefgegangen. Erneut versuchen; sein Protokoll sagt, was es war.',
  'fault.refused':
    'Der Server nimmt diese Datei nicht an und hat nicht gesagt, warum. Erneut versuchen oder eine andere wählen.',
  'fault.unexplained': 'Der Server hat mit {status} geantwortet und nicht gesagt, warum. Erneut versuchen.',
  'fault.no-address': 'Der Server hat keine Adresse für diese Datei genannt. Das Foto wiederholen.',
  'fault.hidden-etag': 'Der Speicher verbirgt das ETag. Seine CORS-Regeln müssen den ETag-Header freigeben.',
  'fault.upload-gone':
    'Dieses Hochladen ist beendet: abgebrochen, abgelaufen, oder seine Teile sind weg. Das Foto wiederholen.',
  'fault.store-refuses': 'Der Speicher lehnt diese Datei ab: {message} ({code})',
  'fault.store-answers': 'Der Speicher lehnt diese Datei mit {status} ab ({code}).',
};
