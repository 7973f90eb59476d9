/**
 * The part of Fluent Bit's classic configuration format that the checks need: sections with their keys.
 * The router's own parser decides what is right; this one only reads what is there.
 */
export class Section {
  private readonly entries = new Map<string, string[]>();

  constructor(
    /** SERVICE, INPUT, FILTER, OUTPUT …: in capitals. */
    public readonly kind: string,
    /** Line of the section's head, from 1. */
    public readonly line: number,
  ) {}

  /** Keys have no case. */
  public add(key: string, value: string): void {
    const name = key.toLowerCase();
    this.entries.set(name, [...(this.entries.get(name) ?? []), value]);
  }

  /** The last value of a key. */
  public value(key: string): string | undefined {
    return last(this.entries.get(key.toLowerCase()) ?? []);
  }

  public get plugin(): string {
    return (this.value('name') ?? '').toLowerCase();
  }
}

// Not at(-1), which is younger than the ECMAScript that jsii compiles to.
function last<T>(items: T[]): T | undefined {
  return items[items.length - 1];
}

export class ClassicConfig {
  public readonly sections: Section[] = [];
  /** Whether other files are read in, whose content is not known here. */
  public includes = false;
  /** Names of all `${NAME}` without a default, in order of appearance. */
  public variables: string[] = [];

  constructor(text: string) {
    const defined = new Set<string>();
    text.split(/\r?\n/).forEach((raw, index) => {
      const line = raw.trim();
      if (line === '' || line.startsWith('#')) return;
      if (/^@include\s/i.test(line)) {
        this.includes = true;
        return;
      }
      const set = /^@set\s+([^=\s]+)\s*=/i.exec(line);
      if (set) {
        defined.add(set[1]);
        return;
      }
      const head = /^\[([^\]]+)\]$/.exec(line);
      if (head) {
        this.sections.push(new Section(head[1].trim().toUpperCase(), index + 1));
        return;
      }
      const [, key, value] = /^(\S+)\s*(.*)$/.exec(line)!;
      last(this.sections)?.add(key, value);
      for (const [, name] of value.matchAll(/\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}/g)) {
        if (!this.variables.includes(name)) this.variables.push(name);
      }
    });
    this.variables = this.variables.filter(name => !defined.has(name));
  }

  public of(kind: string): Section[] {
    return this.sections.filter(section => section.kind === kind);
  }

  /** The last value of a key of all [SERVICE] sections. */
  public service(key: string): string | undefined {
    return last(this.of('SERVICE').map(section => section.value(key)).filter(value => value !== undefined));
  }
}

/** `Match` of Fluent Bit: `*` stands for any run of characters. */
export function matches(pattern: string, tag: string): boolean {
  const literal = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`, 's').test(tag);
}

/** `10`, `500ms`, `30s`, `5m`, `1h`, `2d` in seconds; undefined if it is none of them. */
export function seconds(text: string): number | undefined {
  const match = /^(-?\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?$/i.exec(text.trim());
  if (!match) return undefined;
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 }[(match[2] ?? 's').toLowerCase()]!;
  return Number(match[1]) * unit;
}

/** Whether a boolean option is off. */
export function isOff(text: string | undefined): boolean {
  return text !== undefined && ['false', 'off', 'no', '0'].includes(text.toLowerCase());
}
