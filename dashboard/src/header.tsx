import { useSignedIn } from './api/session';
import { LiveCounter } from './overview/live-counter';
import { LeaveIcon, Logo, MoonIcon, SunIcon } from './ui/icons';
import { useTheme } from './ui/theme';

export function Header() {
  const { project, projects, chooseProject, signOut } = useSignedIn();
  return (
    <header className="border-line bg-card/90 sticky top-0 z-10 border-b backdrop-blur">
      <div className="mx-auto flex h-14 max-w-6xl items-center gap-3 px-4 sm:px-6">
        <Logo />
        <span className="font-semibold tracking-tight max-sm:sr-only">Weir</span>
        {projects.length > 1 && (
          <label className="min-w-0">
            <span className="sr-only">Project</span>
            <select
              value={project.id}
              onChange={(event) => {
                chooseProject(event.target.value);
              }}
              className="border-line bg-card max-w-full truncate rounded-lg border px-2 py-1 text-sm"
            >
              {projects.map((one) => (
                <option key={one.id} value={one.id}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
        )}
        <div className="ml-auto flex items-center gap-1">
          <div className="mr-2">
            <LiveCounter />
          </div>
          <ThemeButton />
          <button
            type="button"
            onClick={signOut}
            aria-label="Sign out"
            title="Sign out"
            className="text-soft hover:bg-raised hover:text-ink rounded-lg p-2"
          >
            <LeaveIcon />
          </button>
        </div>
      </div>
    </header>
  );
}

export function ThemeButton() {
  const [theme, toggle] = useTheme();
  const label = theme === 'dark' ? 'Use light colours' : 'Use dark colours';
  return (
    <button
      type="button"
      onClick={toggle}
      aria-label={label}
      title={label}
      className="text-soft hover:bg-raised hover:text-ink rounded-lg p-2"
    >
      {theme === 'dark' ? <SunIcon /> : <MoonIcon />}
    </button>
  );
}
