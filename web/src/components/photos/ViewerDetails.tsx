import { useQuery } from '@tanstack/react-query';
import { photosApi } from '../../app';
import { sentenceOf } from '../../lib/api/errors';
import { describe } from '../../lib/photos/describe';
import { useTexts } from '../../hooks/useTexts';

/** All that is known of a photo, in words. */
export function ViewerDetails({ photoId }: { photoId: string }) {
  const say = useTexts();
  const { data, error } = useQuery({
    queryKey: ['photo', photoId],
    queryFn: ({ signal }) => photosApi.photo(photoId, signal),
  });
  return (
    <aside className="viewer-details" aria-label={say('viewer.details')} tabIndex={0}>
      {error && <p role="alert">{sentenceOf(error)}</p>}
      <dl>
        {data &&
          describe(data).map(({ name, value, href }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                {href ? (
                  <a href={href} target="_blank" rel="noreferrer">
                    {value}
                  </a>
                ) : (
                  value
                )}
              </dd>
            </div>
          ))}
      </dl>
    </aside>
  );
}
