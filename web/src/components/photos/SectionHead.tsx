import { useState } from 'react';
import { useTexts } from '../../hooks/useTexts';
import type { Place } from '../../lib/api/photos';
import type { Section } from '../../lib/photos/layout';
import { sectionTitle, undatedText } from '../../lib/photos/headings';
import { Icon } from '../icons';

/** The heading above the photos of a day or a month, and the way to select them all. */
export function SectionHead(props: { section: Section; place: Place; trashDays: number; onSelect: () => void }) {
  const { section, place, trashDays, onSelect } = props;
  const say = useTexts();
  const [now] = useState(Date.now);
  const { title, note } = sectionTitle(section.key, place, trashDays, now);
  const undated = place === 'library' ? undatedText(section) : null;
  return (
    <div className="section-head" role="gridcell">
      <h2>{title}</h2>
      <p>
        {say('count.photos', { count: section.count })}
        {note !== null && ` · ${note}`}
        {undated !== null && ` · ${undated}`}
      </p>
      <button
        type="button"
        className="section-select"
        aria-label={say('library.selectSection', { title })}
        title={say('library.selectSection', { title })}
        onClick={onSelect}
      >
        <Icon name="checkAll" />
      </button>
    </div>
  );
}
