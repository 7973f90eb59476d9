import { Duration, RemovalPolicy, Stack, aws_athena as athena, aws_glue as glue, aws_s3 as s3 } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { trap } from './trap';

export interface LogArchiveProps {
  /**
   * Name of the bucket.
   *
   * @default - CloudFormation makes one up
   */
  readonly bucketName?: string;

  /**
   * A bucket that exists. It stays as it is: its lifecycle and its policy are its owner's.
   *
   * @default - a new bucket
   */
  readonly existingBucket?: s3.IBucket;

  /**
   * Under which all objects lie; `s3_key_format` of the router's configuration begins with it.
   *
   * @default 'logs/'
   */
  readonly keyPrefix?: string;

  /**
   * Age at which objects move to `archiveStorageClass`.
   *
   * @default Duration.days(90)
   */
  readonly archiveAfter?: Duration;

  /**
   * Athena leaves out what lies in GLACIER (Flexible Retrieval); GLACIER_INSTANT_RETRIEVAL stays readable and costs more.
   *
   * @default s3.StorageClass.GLACIER
   */
  readonly archiveStorageClass?: s3.StorageClass;

  /**
   * Age at which objects are deleted.
   *
   * @default - never
   */
  readonly expireAfter?: Duration;

  /**
   * Where the bucket's own access log goes.
   *
   * @default - no access log
   */
  readonly accessLogsBucket?: s3.IBucket;

  /**
   * Name of the Glue database, the Athena work group and the prefix of the saved queries: letters, digits and `_`.
   *
   * @default 'logs'
   */
  readonly databaseName?: string;

  /**
   * Fields of the application's JSON lines that queries name, with their Hive types. They come after `date`, `level`,
   * `message`, `log`, `source`, `container_id`, `container_name` and the `ecs_` fields.
   *
   * @default - none
   */
  readonly columns?: { [name: string]: string };

  /**
   * First year that has records: the projection of partitions begins there.
   *
   * @default 2025
   */
  readonly firstYear?: number;
}

/** The table's own columns, as the router writes them. */
const COLUMNS: { [name: string]: [type: string, comment: string] } = {
  date: ['string', 'time of the record, ISO 8601, UTC; the router writes it first'],
  level: ['string', 'severity as the application wrote it'],
  message: ['string', ''],
  log: ['string', 'the line itself, where it is not JSON'],
  source: ['string', 'stdout or stderr'],
  container_id: ['string', ''],
  container_name: ['string', ''],
  ecs_cluster: ['string', ''],
  ecs_task_arn: ['string', ''],
  ecs_task_definition: ['string', ''],
};

/** Partitions of the keys: year=%Y/month=%m/day=%d/hour=%H, in UTC. */
const PARTITIONS = ['year', 'month', 'day', 'hour'];

/** Years the projection covers; a year without objects costs a query nothing that names its partitions. */
const PROJECTED_YEARS = 10;

/**
 * Where all records go: a bucket, its lifecycle, and what Athena needs to read it. Partitions are projected from the
 * keys, so that no crawler and no `ALTER TABLE` is needed.
 */
export class LogArchive extends Construct {
  public readonly bucket: s3.IBucket;
  public readonly keyPrefix: string;
  public readonly databaseName: string;
  public readonly tableName = 'records';
  public readonly workGroupName: string;
  private readonly resultsPrefix = 'athena-results/';

  // eslint-disable-next-line awscdk/construct-constructor-property -- all properties have defaults
  constructor(scope: Construct, id: string, props: LogArchiveProps = {}) {
    super(scope, id);
    this.keyPrefix = props.keyPrefix ?? 'logs/';
    this.databaseName = props.databaseName ?? 'logs';
    this.workGroupName = this.databaseName;
    if (!/^[^/].*\/$/.test(this.keyPrefix)) {
      throw trap(this, `keyPrefix is "${this.keyPrefix}"`, 'Write it without a leading and with a trailing slash: logs/');
    }
    if (!/^[a-z][a-z0-9_]*$/.test(this.databaseName)) {
      throw trap(this, `databaseName is "${this.databaseName}"`, 'Use small letters, digits and _ only: Athena cannot name others');
    }
    if (props.existingBucket && (props.bucketName ?? props.archiveAfter ?? props.expireAfter ?? props.accessLogsBucket)) {
      throw trap(this, 'existingBucket stands beside options of a new bucket',
        'An imported bucket keeps its own lifecycle: leave bucketName, archiveAfter, expireAfter and accessLogsBucket out');
    }
    this.bucket = props.existingBucket ?? this.createBucket(props);
    this.createTable(props);
    this.createWorkGroup();
  }

  private createBucket(props: LogArchiveProps): s3.Bucket {
    return new s3.Bucket(this, 'Bucket', {
      bucketName: props.bucketName,
      encryption: s3.BucketEncryption.S3_MANAGED,
      blockPublicAccess: s3.BlockPublicAccess.BLOCK_ALL,
      objectOwnership: s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      serverAccessLogsBucket: props.accessLogsBucket,
      serverAccessLogsPrefix: props.accessLogsBucket && 's3/',
      // Objects of ten minutes are often below the 128 KiB under which S3 would not move them.
      transitionDefaultMinimumObjectSize: s3.TransitionDefaultMinimumObjectSize.VARIES_BY_STORAGE_CLASS,
      lifecycleRules: [{
        id: 'archive',
        prefix: this.keyPrefix,
        transitions: [{
          storageClass: props.archiveStorageClass ?? s3.StorageClass.GLACIER,
          transitionAfter: props.archiveAfter ?? Duration.days(90),
        }],
        expiration: props.expireAfter,
      }, {
        // What a task could not finish or tidy up because its disk is gone.
        id: 'abort-incomplete-uploads',
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      }, {
        id: 'query-results',
        prefix: this.resultsPrefix,
        expiration: Duration.days(7),
      }],
    });
  }

  private createTable(props: LogArchiveProps): void {
    const database = new glue.CfnDatabase(this, 'Database', {
      catalogId: Stack.of(this).account,
      databaseInput: { name: this.databaseName, description: 'Log records that the log router archived' },
    });
    const location = `s3://${this.bucket.bucketName}/${this.keyPrefix}`;
    const firstYear = props.firstYear ?? 2025;
    const extra = Object.entries(props.columns ?? {}).map(([name, type]) => ({ name, type }));
    const table = new glue.CfnTable(this, 'Table', {
      catalogId: Stack.of(this).account,
      databaseName: this.databaseName,
      tableInput: {
        name: this.tableName,
        description: 'One row a record. Partitions are UTC and those of the first record of an object.',
        tableType: 'EXTERNAL_TABLE',
        parameters: {
          'classification': 'json',
          'compressionType': 'gzip',
          'projection.enabled': 'true',
          'projection.year.type': 'integer',
          'projection.year.range': `${firstYear},${firstYear + PROJECTED_YEARS}`,
          ...this.projection('month', '1,12'),
          ...this.projection('day', '1,31'),
          ...this.projection('hour', '0,23'),
          'storage.location.template': location + PARTITIONS.map(name => `${name}=\${${name}}/`).join(''),
        },
        partitionKeys: PARTITIONS.map(name => ({ name, type: 'int' })),
        storageDescriptor: {
          location,
          inputFormat: 'org.apache.hadoop.mapred.TextInputFormat',
          outputFormat: 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat',
          serdeInfo: {
            serializationLibrary: 'org.openx.data.jsonserde.JsonSerDe',
            parameters: { 'ignore.malformed.json': 'true', 'case.insensitive': 'true' },
          },
          columns: [...Object.entries(COLUMNS).map(([name, [type, comment]]) => ({ name, type, comment: comment || undefined })), ...extra],
        },
      },
    });
    table.node.addDependency(database);
  }

  private projection(name: string, range: string): { [key: string]: string } {
    return {
      [`projection.${name}.type`]: 'integer',
      [`projection.${name}.range`]: range,
      [`projection.${name}.digits`]: '2',
    };
  }

  private createWorkGroup(): void {
    const workGroup = new athena.CfnWorkGroup(this, 'WorkGroup', {
      name: this.workGroupName,
      description: 'Queries over archived log records',
      workGroupConfiguration: {
        enforceWorkGroupConfiguration: true,
        publishCloudWatchMetricsEnabled: true,
        // A query that forgets its partitions would read, and cost, everything: 100 GB are about half a dollar.
        bytesScannedCutoffPerQuery: 100_000_000_000,
        engineVersion: { selectedEngineVersion: 'Athena engine version 3' },
        resultConfiguration: {
          outputLocation: `s3://${this.bucket.bucketName}/${this.resultsPrefix}`,
          encryptionConfiguration: { encryptionOption: 'SSE_S3' },
        },
      },
    });
    // The router never puts records of two hours into one object: a record's partition is its own hour, in UTC.
    const hoursAgo = (hours: number) => {
      const moment = `(current_timestamp AT TIME ZONE 'UTC' - INTERVAL '${hours}' HOUR)`;
      return `(${PARTITIONS.map(name => `${name} = ${name}(${moment})`).join(' AND ')})`;
    };
    const today = PARTITIONS.slice(0, 3).map(name => `${name} = ${name}(current_timestamp AT TIME ZONE 'UTC')`).join(' AND ');
    const from = `FROM "${this.databaseName}"."${this.tableName}"`;
    const queries: { [name: string]: [description: string, text: string] } = {
      'errors-last-hour': ['Errors of the last hour, newest first',
        `SELECT date, level, coalesce(message, log) AS line, ecs_task_arn\n${from}\nWHERE (${hoursAgo(0)}\n   OR ${hoursAgo(1)})\n`
        + `  AND from_iso8601_timestamp(date) >= current_timestamp - INTERVAL '1' HOUR\n`
        + `  AND upper(level) IN ('ERROR', 'CRITICAL', 'FATAL')\nORDER BY date DESC\nLIMIT 500`],
      'levels-today': ['How many records of each level in each hour of today (UTC)',
        `SELECT hour, coalesce(upper(level), '(none)') AS level, count(*) AS records\n${from}\nWHERE ${today}\nGROUP BY 1, 2\nORDER BY 1, 2`],
      'find-text-today': ['Records of today (UTC) that contain a text: replace TEXT',
        `SELECT date, level, coalesce(message, log) AS line, ecs_task_arn\n${from}\nWHERE ${today}\n`
        + `  AND strpos(coalesce(message, log), 'TEXT') > 0\nORDER BY date\nLIMIT 500`],
      'task-around-a-moment': ['Everything one task wrote around a moment: replace TASK and the time',
        `SELECT date, source, level, coalesce(message, log) AS line\n${from}\nWHERE year = 2026 AND month = 1 AND day = 31 AND hour BETWEEN 8 AND 10\n`
        + `  AND ecs_task_arn LIKE '%/TASK'\n  AND date BETWEEN '2026-01-31T09:00' AND '2026-01-31T09:10'\nORDER BY date`],
    };
    for (const [name, [description, queryString]] of Object.entries(queries)) {
      const query = new athena.CfnNamedQuery(this, `Query-${name}`, {
        name: `${this.databaseName}-${name}`,
        description,
        database: this.databaseName,
        workGroup: this.workGroupName,
        queryString,
      });
      query.node.addDependency(workGroup);
    }
  }
}
