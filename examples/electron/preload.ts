import { contextBridge, ipcRenderer } from 'electron';

contextBridge.exposeInMainWorld('search', (vector: Float32Array, k: number) => ipcRenderer.invoke('search', vector, k));
