import { type ReactNode, useRef, useState } from 'react';
import { auth, currentEngine } from '../../app';
import { sentenceOf } from '../../lib/api/errors';
import { useMaySeeConnections } from '../../hooks/useConnections';
import { follow, useRoute } from '../../hooks/useRoute';
import type { Search } from '../../hooks/useSearch';
import { useTexts } from '../../hooks/useTexts';
import { useTheme } from '../../hooks/useTheme';
import { notify } from '../../stores/noticeStore';
import { Icon, IconButton, type IconName } from '../icons';
import { Logo } from './Logo';
import { Settings } from './Settings';

/** The bar at the top: where one is, what one looks for, who one is. */
export function Header(props: {
  email: string;
  /** Null where there is nothing to look for. */
  search: Search | null;
  children: ReactNode;
}) {
  const say = useTexts();
  const { theme, toggle } = useTheme();
  return (
    <header className="header">
      <a href="/" className="brand" onClick={follow}>
        <Logo />
        <span>Safelight</span>
      </a>
      <nav aria-label={say('shelves')}>
        <NavLink path="/" icon="library" label={say('shelf.library')} />
        <NavLink path="/trash" icon="trash" label={say('shelf.trash')} />
      </nav>
      {props.search !== null && <SearchField search={props.search} />}
      <div className="header-end">
        {props.children}
        <IconButton
          icon={theme === 'dark' ? 'sun' : 'moon'}
          label={say(theme === 'dark' ? 'theme.toLight' : 'theme.toDark')}
          onClick={toggle}
        />
        <Settings />
        <Account email={props.email} />
      </div>
    </header>
  );
}

function SearchField({ search }: { search: Search }) {
  const say = useTexts();
  const field = useRef<HTMLInputElement>(null);
  const clear = () => {
    search.clear();
    field.current?.focus();
  };
  return (
    <div className="search" role="search">
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        placeholder={say('search.hint')}
        aria-label={say('search.label')}
        value={search.text}
        onChange={({ target }) => {
          search.type(target.value);
        }}
        onKeyDown={({ key }) => {
          if (key === 'Escape') clear();
        }}
      />
      {search.text !== '' && <IconButton icon="close" label={say('search.clear')} onClick={clear} />}
    </div>
  );
}

function NavLink({ path, icon, label }: { path: string; icon: IconName; label: string }) {
  const here = useRoute() === path;
  return (
    <a href={path} className="nav" aria-current={here ? 'page' : undefined} onClick={follow}>
      <Icon name={icon} />
      <span>{label}</span>
    </a>
  );
}

/** Who is signed in, and what is theirs alone. */
export function Account({ email }: { email: string }) {
  const say = useTexts();
  const [open, setOpen] = useState(false);
  // Asked when somebody comes near the menu: in time for it, and not with each load of the page, where almost all get 404.
  const [near, setNear] = useState(false);
  const here = useRoute() === '/connections';
  const administrator = useMaySeeConnections(near);
  const come = () => {
    setNear(true);
  };
  const signOut = () => {
    const losing = currentEngine().busy;
    if (losing && !window.confirm(say('account.losing'))) return;
    auth.logOut().catch((error: unknown) => {
      notify(say('account.unheard', { reason: sentenceOf(error) }));
    });
  };
  return (
    <div
      className="account"
      onPointerEnter={come}
      onFocus={come}
      onKeyDown={({ key }) => {
        if (key === 'Escape') setOpen(false);
      }}
      onBlur={({ currentTarget, relatedTarget }) => {
        if (!currentTarget.contains(relatedTarget)) setOpen(false);
      }}
    >
      <IconButton
        icon="person"
        label={say('account.signedInAs', { email })}
        expanded={open}
        onClick={() => {
          setOpen(!open);
        }}
      />
      {open && (
        <div className="account-menu">
          <p>{email}</p>
          {administrator && (
            <a
              href="/connections"
              className="nav"
              aria-current={here ? 'page' : undefined}
              onClick={(event) => {
                follow(event);
                if (event.defaultPrevented) setOpen(false);
              }}
            >
              {say('account.connections')}
            </a>
          )}
          <button type="button" className="button" onClick={signOut}>
            {say('account.signOut')}
          </button>
        </div>
      )}
    </div>
  );
}
