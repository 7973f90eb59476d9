// Log routing for a service that has none: the five lines between the marks, and `logging`.
import { App, Stack, type StackProps, aws_ecs as ecs, aws_logs as logs } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { FirelensRouter, LogArchive } from '@noroshi/firelens-router';

export class MinimalStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const taskDefinition = new ecs.FargateTaskDefinition(this, 'Task', { cpu: 256, memoryLimitMiB: 512 });

    // --
    const { bucket } = new LogArchive(this, 'Archive');
    const errorLogGroup = new logs.LogGroup(this, 'Errors', { logGroupName: '/ecs/backend/errors' });
    const image = ecs.ContainerImage.fromRegistry('registry.example.com/fluent-bit-custom:0.1.0');
    const router = new FirelensRouter(this, 'Router', { taskDefinition, image, bucket, errorLogGroup });
    router.attach(taskDefinition.addContainer('app', {
      image: ecs.ContainerImage.fromRegistry('registry.example.com/app:1'),
      logging: router.logDriver('app'),
    }));
    // --
  }
}

if (require.main === module) {
  const app = new App();
  new MinimalStack(app, 'Minimal');
  app.synth();
}
