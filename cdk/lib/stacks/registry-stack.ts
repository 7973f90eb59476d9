import { RemovalPolicy, Stack, type StackProps, aws_ecr as ecr } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { NAMES } from '../settings';

/**
 * The repositories of both images. A stack of its own, deployed first: a service cannot start before its image is
 * pushed, and an image cannot be pushed before its repository is there.
 */
export class RegistryStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, props);
    for (const [name, repositoryName] of [['Router', NAMES.routerRepository], ['Backend', NAMES.backendRepository]]) {
      new ecr.Repository(this, name, {
        repositoryName,
        // A tag means one image for ever, so that a rollback starts what ran before.
        imageTagMutability: ecr.TagMutability.IMMUTABLE,
        imageScanOnPush: true,
        encryption: ecr.RepositoryEncryption.AES_256,
        removalPolicy: RemovalPolicy.RETAIN,
        lifecycleRules: [
          // Untagged first: an index of several platforms and its attestations count as images too.
          { rulePriority: 1, description: 'untagged images', tagStatus: ecr.TagStatus.UNTAGGED, maxImageCount: 1 },
          { rulePriority: 2, description: 'newest 5 images', tagStatus: ecr.TagStatus.ANY, maxImageCount: 5 },
        ],
      });
    }
  }
}
