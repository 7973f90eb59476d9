import type { IConstruct } from 'constructs';

/** An error of a known trap: where, what is wrong, and what to do instead. */
export function trap(scope: IConstruct, wrong: string, instead: string): Error {
  return new Error(`${scope.node.path}: ${wrong}. ${instead}`);
}
