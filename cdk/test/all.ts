// All tests in one process: loading the CDK takes longer than most of them.
import './registry.test';
import './network.test';
import './monitoring.test';
import './compute.test';
import './rollback.test';
import './settings.test';
import './firelens-router.test';
import './log-archive.test';
import './contract.test';
import './snapshot.test';
import './validation.test';
import './readme.test';
import './pages.test';
import './synth.test';
