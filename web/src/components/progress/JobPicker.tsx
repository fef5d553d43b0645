import { useMemo } from 'react';
import { useStore } from 'zustand';
import { uploads } from '../../app';
import { useTexts } from '../../hooks/useTexts';
import { jobName, jobsShown } from './jobs';

/** Where there are several jobs: which one the panel shows and acts on, or all (null). */
export function JobPicker({ job, onChange }: { job: string | null; onChange: (job: string | null) => void }) {
  const say = useTexts();
  const membership = useStore(uploads, (state) => state.membership);
  const jobs = useMemo(() => {
    const state = uploads.getState();
    return jobsShown(state).map((jobId) => ({ jobId, name: jobName(state, jobId) }));
    // Which jobs there are changes with `membership` alone, their names with the language too.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [membership, say]);
  if (jobs.length < 2 && job === null) return null;
  return (
    <select
      className="job-picker"
      aria-label={say('job.pick')}
      value={job ?? ''}
      onChange={({ target }) => {
        onChange(target.value || null);
      }}
    >
      <option value="">{say('job.all', { count: jobs.length })}</option>
      {jobs.map(({ jobId, name }) => (
        <option key={jobId} value={jobId}>
          {name}
        </option>
      ))}
    </select>
  );
}
