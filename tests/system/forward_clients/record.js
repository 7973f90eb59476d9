'use strict';

// The records both clients send: numbered, every twentieth an error, with what JSON loses easily.
const LEVELS = [...Array(17).fill('INFO'), 'DEBUG', 'WARNING', 'ERROR'];

function record(number) {
  return {
    n: number,
    level: LEVELS[number % 20],
    logger: 'backend.orders',
    message: `注文 ${number} を受け付けました 🚚`,
    duration_ms: number / 8,
    items: [number, 'two', { three: null }],
    status: 200,
    cached: number % 2 === 0,
  };
}

module.exports = { record };
