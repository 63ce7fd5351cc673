// A process that does nothing, to tell what the machine adds to the delay of an event loop by itself: counts from
// the start, and answers the first message with the 99th percentile in milliseconds.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
process.once('message', () => process.send(delay.percentile(99) / 1e6, () => process.exit()));
