import { LogRoutingApp } from '../lib/log-routing-app';

new LogRoutingApp().synth();
