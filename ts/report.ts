export { reportCells } from './report/format.js';
export { cosines, pearson, recall, samplePairs, sampleRows, squaredError } from './report/measure.js';
export {
  REPORT_FAMILIES,
  type Report,
  type ReportEnvironment,
  type ReportFamily,
  type ReportOptions,
  type ReportProgress,
  type ReportRow,
} from './report/model.js';
export { renderReport } from './report/page.js';
export { measureReport } from './report/run.js';
