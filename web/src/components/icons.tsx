import type { ReactNode } from 'react';

/** The page's line icons, drawn on a grid of 24. */
const PATHS = {
  add: <path d="M12 5v14M5 12h14" />,
  folder: <path d="M3 7a2 2 0 0 1 2-2h4l2 2.5h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z" />,
  search: <path d="M16.5 16.5 21 21M18.5 11a7.5 7.5 0 1 1-15 0 7.5 7.5 0 0 1 15 0Z" />,
  trash: <path d="M4 7h16M9 7V4.5h6V7M6.5 7l1 13h9l1-13M10 11v5.5M14 11v5.5" />,
  restore: <path d="M4 9h10a5.5 5.5 0 0 1 0 11H8M4 9l4-4M4 9l4 4" />,
  download: <path d="M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  minimise: <path d="M6 12.5h12" />,
  maximise: <path d="m7 14.5 5-5 5 5" />,
  pause: <path d="M9 6v12M15 6v12" />,
  play: <path d="M8 5.5v13l10.5-6.5z" />,
  retry: <path d="M20 12a8 8 0 1 1-2.3-5.6M20 3.5v4h-4" />,
  clear: <path d="M5 7h14M5 12h9M5 17h5M16 15l4 4M20 15l-4 4" />,
  bell: <path d="M6 16.5h12l-1.5-2.5v-4a4.5 4.5 0 0 0-9 0v4zM10 19.5h4" />,
  bellOff: <path d="M6 16.5h12l-1.5-2.5v-4a4.5 4.5 0 0 0-9 0v4zM10 19.5h4M4.5 4.5l15 15" />,
  front: <path d="M6 4.5h12M12 20V9M7 13.5 12 8.5l5 5" />,
  previous: <path d="m15 5-7 7 7 7" />,
  next: <path d="m9 5 7 7-7 7" />,
  sun: (
    <path d="M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M18.4 5.6 17 7M7 17l-1.4 1.4M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0Z" />
  ),
  moon: <path d="M20 14.5A8 8 0 0 1 9.5 4 8 8 0 1 0 20 14.5Z" />,
  auto: <path d="M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16" />,
  settings: (
    <path d="M4 8h7M17 8h3M4 16h3M13 16h7M17 8a3 3 0 1 1-6 0 3 3 0 0 1 6 0ZM13 16a3 3 0 1 1-6 0 3 3 0 0 1 6 0Z" />
  ),
  person: <path d="M16 8.5a4 4 0 1 1-8 0 4 4 0 0 1 8 0ZM4.5 20a7.5 7.5 0 0 1 15 0" />,
  info: <path d="M12 11v6M12 7.5v.5M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z" />,
  check: <path d="m6 12.5 4 4 8-9" />,
  checkAll: <path d="M9 4h9a2 2 0 0 1 2 2v9M4 8h12v12H4zM7 14l2.5 2.5L13.5 12" />,
  zoomIn: <path d="M16.5 16.5 21 21M18.5 11a7.5 7.5 0 1 1-15 0 7.5 7.5 0 0 1 15 0ZM11 8v6M8 11h6" />,
  zoomOut: <path d="M16.5 16.5 21 21M18.5 11a7.5 7.5 0 1 1-15 0 7.5 7.5 0 0 1 15 0ZM8 11h6" />,
  library: <path d="M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9.5v.1" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof PATHS;

/** An icon, for the eye alone: the button around it bears the name. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {PATHS[name]}
    </svg>
  );
}

/** A button of an icon alone; `label` is its name and its tooltip. */
export function IconButton(props: {
  icon: IconName;
  label: string;
  onClick: () => void;
  disabled?: boolean;
  className?: string;
  expanded?: boolean;
  /** Of a button that stays on or off. */
  pressed?: boolean;
}) {
  return (
    <button
      type="button"
      className={`icon-button ${props.className ?? ''}`}
      aria-label={props.label}
      title={props.label}
      disabled={props.disabled}
      aria-expanded={props.expanded}
      aria-pressed={props.pressed}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}
