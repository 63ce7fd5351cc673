export const ERROR_CASES = [];
