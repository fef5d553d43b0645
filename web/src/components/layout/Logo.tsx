/** The lamp by which one may watch a photo develop. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <path d="M16 3v6" className="logo-cord" />
      <path d="M7 18a9 9 0 0 1 18 0z" className="logo-shade" />
      <circle cx="16" cy="19.5" r="6.5" className="logo-bulb" />
    </svg>
  );
}
