import { app, BrowserWindow, ipcMain } from 'electron';
import { isTinyQuantError, SearchIndex } from 'tinyquant';
import { onDisk } from './paths.js';

/** What the renderer gets: an error cannot keep its code on the way through the bridge. */
type Answer = { readonly hits: { id: number; score: number }[] } | { readonly error: string; readonly code?: string };

let index: SearchIndex | undefined;

async function search(vector: Float32Array, k: number): Promise<Answer> {
  try {
    index ??= await SearchIndex.open(onDisk(app.getAppPath(), 'assets', 'docs.tqi'));
    return { hits: [...(await index.search(vector, { k }))] };
  } catch (error) {
    if (!isTinyQuantError(error)) throw error;
    return { error: error.message, code: error.code };
  }
}

// The addon is loaded in the main process: a sandboxed renderer can load none.
ipcMain.handle('search', (_event, vector: Float32Array, k: number) => search(vector, k));

app.on('will-quit', () => index?.close());

void app.whenReady().then(() => {
  const window = new BrowserWindow({ webPreferences: { preload: onDisk(app.getAppPath(), 'preload.js') } });
  return window.loadFile('index.html');
});
