import { App, type AppProps, type Environment, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { type Settings, readSettings } from './settings';
import { ComputeStack } from './stacks/compute-stack';
import { MonitoringStack } from './stacks/monitoring-stack';
import { NetworkStack } from './stacks/network-stack';
import { RegistryStack } from './stacks/registry-stack';

/** All stacks, in the order in which they are deployed. */
export class LogRoutingApp extends App {
  public readonly settings: Settings;
  public readonly registry: RegistryStack;
  public readonly monitoring: MonitoringStack;
  /** Undefined: the network exists and nothing is made in it. */
  public readonly network?: NetworkStack;
  public readonly compute: ComputeStack;

  constructor(props?: AppProps) {
    super(props);
    const settings = readSettings(this);
    this.settings = settings;
    const env: Environment = { account: settings.account, region: settings.region };
    this.registry = new RegistryStack(this, 'Registry', { env });
    this.monitoring = new MonitoringStack(this, 'Monitoring', { env, settings });
    if (settings.network === undefined || settings.network.createEndpoints) {
      this.network = new NetworkStack(this, 'Network', { env, settings });
    }
    this.compute = new ComputeStack(this, 'Compute', {
      env, settings, network: settings.network === undefined ? this.network!.service : undefined,
    });
    // Compute refers to the others by name: CDK cannot see that it needs them.
    for (const first of [this.registry, this.monitoring, this.network]) {
      if (first) this.compute.addStackDependency(first);
    }
    Validations.of(this).addPlugins(new AwsSolutionsChecks(this));
  }
}
