import { useEffect, useState } from 'react';
import type { Credentials } from './client';

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 30_000;
/** Closed for good: wrong credentials, or no such project. */
const FINAL_CODES = new Set([4401, 4404]);

/** Visitors of the last five minutes, pushed over a socket; null until the first number and while it is away. */
export function useLiveVisitors(projectId: string, credentials: Credentials): number | null {
  const [visitors, setVisitors] = useState<number | null>(null);
  const { clientId, clientSecret } = credentials;
  useEffect(() => {
    let socket: WebSocket | null = null;
    let timer: number | undefined;
    let delay = FIRST_DELAY;
    let ended = false;

    function connect(): void {
      const address = new URL(`/live/${encodeURIComponent(projectId)}`, window.location.href);
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
      socket = new WebSocket(address);
      socket.onopen = () => {
        socket?.send(JSON.stringify({ clientId, clientSecret }));
      };
      socket.onmessage = (message) => {
        const count = visitorsOf(message.data);
        delay = FIRST_DELAY;
        setVisitors(count);
      };
      socket.onclose = (event) => {
        if (ended) return;
        setVisitors(null);
        if (FINAL_CODES.has(event.code)) return;
        timer = window.setTimeout(connect, delay * (0.75 + Math.random() / 2));
        delay = Math.min(delay * 2, LONGEST_DELAY);
      };
    }

    connect();
    return () => {
      ended = true;
      window.clearTimeout(timer);
      socket?.close();
      setVisitors(null);
    };
  }, [projectId, clientId, clientSecret]);
  return visitors;
}

/** The number in a message; null where it says that there is none at the moment, or cannot be understood. */
export function visitorsOf(message: unknown): number | null {
  if (typeof message !== 'string') return null;
  try {
    const value: unknown = JSON.parse(message);
    if (typeof value !== 'object' || value === null || !('visitors' in value)) return null;
    return typeof value.visitors === 'number' ? value.visitors : null;
  } catch {
    return null;
  }
}
