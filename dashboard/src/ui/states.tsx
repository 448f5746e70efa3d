import { ApiError } from '../api/client';

/** What a part of the page shows instead of numbers it could not get. */
export function Failure({ error, retry }: { error: Error; retry: () => void }) {
  const status = error instanceof ApiError ? error.status : 0;
  const text = status === 500 || !(error instanceof ApiError) ? 'Something went wrong on our side.' : error.message;
  return (
    <div role="alert" className="flex flex-col items-center justify-center gap-3 px-4 py-8 text-center text-sm">
      <p className="text-soft">{text}</p>
      <button type="button" onClick={retry} className="bg-raised hover:bg-wash rounded-lg px-3 py-1.5 font-medium">
        Try again
      </button>
    </div>
  );
}

export function Empty({ children }: { children: string }) {
  return <p className="text-faint flex items-center justify-center px-4 py-10 text-center text-sm">{children}</p>;
}
