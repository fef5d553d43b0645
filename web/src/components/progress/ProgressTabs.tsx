import { type KeyboardEvent, useRef } from 'react';
import { useTexts } from '../../hooks/useTexts';
import { useShown, useUploads } from '../../hooks/useUploads';
import { numberText } from '../../texts';
import { tallyOf } from './overall';
import { type Tab, TABS, tabCount } from './tabs';

/** The tabs All, Active, Completed and Failed, each with its count. */
export function ProgressTabs(props: { tab: Tab; job: string | null; onChange: (tab: Tab) => void }) {
  const { tab, job, onChange } = props;
  const say = useTexts();
  const { id: prefix } = useShown();
  const counts = useUploads((state) => tallyOf(state, job).counts);
  const list = useRef<HTMLDivElement>(null);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = TABS[(TABS.findIndex((id) => id === tab) + step + TABS.length) % TABS.length];
    if (!next) return;
    onChange(next);
    list.current?.querySelector<HTMLElement>(`#${prefix}-tab-${next}`)?.focus();
  };

  return (
    <div className="tabs" role="tablist" aria-label={say('panel.title')} ref={list} onKeyDown={onKeyDown}>
      {TABS.map((id) => (
        <button
          key={id}
          id={`${prefix}-tab-${id}`}
          type="button"
          role="tab"
          aria-selected={tab === id}
          aria-controls={`${prefix}-rows`}
          tabIndex={tab === id ? 0 : -1}
          className="tab"
          data-tab={id}
          data-some={tabCount(counts, id) > 0 || undefined}
          onClick={() => {
            onChange(id);
          }}
        >
          {say(`tab.${id}`)} <span className="tab-count">{numberText(tabCount(counts, id))}</span>
        </button>
      ))}
    </div>
  );
}
