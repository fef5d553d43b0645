import { useMemo } from 'react';
import { useTexts } from '../../hooks/useTexts';
import type { Days } from '../../lib/photos/days';
import { sectionTitle } from '../../lib/photos/headings';
import { type Grouping, sectionsOf } from '../../lib/photos/layout';
import { settingsStore } from '../../stores/settingsStore';

/** By day or by month, and straight to a month. */
export function LibraryTools(props: { days: Days; grouping: Grouping; onGo: (day: string) => void }) {
  const { days, grouping, onGo } = props;
  const say = useTexts();
  const months = useMemo(() => sectionsOf(days.list, 'month'), [days]);
  return (
    <div className="library-tools">
      {months.length > 1 && (
        <select
          aria-label={say('library.goTo')}
          value=""
          onChange={({ target }) => {
            onGo(target.value);
          }}
        >
          <option value="" disabled>
            {say('library.goTo')}
          </option>
          {months.map(({ key, from, count }) => (
            <option key={key} value={from}>
              {say('library.month', { month: sectionTitle(key, 'library', 0, 0).title, count })}
            </option>
          ))}
        </select>
      )}
      <div className="choices" role="group" aria-label={say('library.grouping')}>
        {(['day', 'month'] as const).map((choice) => (
          <button
            key={choice}
            type="button"
            aria-pressed={grouping === choice}
            onClick={() => {
              settingsStore.setState({ grouping: choice });
            }}
          >
            {say(`library.by.${choice}`)}
          </button>
        ))}
      </div>
    </div>
  );
}
