export * from './firelens-router';
export * from './log-archive';
export * from './router-monitoring';
