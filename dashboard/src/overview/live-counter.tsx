import { useLiveVisitors } from '../api/live';
import { useSignedIn } from '../api/session';
import { fullCount } from '../format/numbers';

/** How many are here now: seen in the last five minutes. */
export function LiveCounter() {
  const { project, credentials } = useSignedIn();
  const visitors = useLiveVisitors(project.id, credentials);
  const here = visitors !== null && visitors > 0;
  return (
    <p className="flex items-center gap-2 text-sm whitespace-nowrap" title="Visitors seen in the last five minutes">
      <span className="relative flex size-2" aria-hidden="true">
        {here && (
          <span className="bg-good absolute inline-flex size-full animate-ping rounded-full opacity-60 motion-reduce:animate-none" />
        )}
        <span className={`relative inline-flex size-2 rounded-full ${here ? 'bg-good' : 'bg-faint'}`} />
      </span>
      <span>
        <span data-testid="live-visitors" className="font-semibold">
          {visitors === null ? '–' : fullCount(visitors)}
        </span>{' '}
        <span className="text-soft">
          <span className="max-sm:hidden">{visitors === 1 ? 'visitor' : 'visitors'} </span>now
        </span>
      </span>
    </p>
  );
}
