'use strict';
// Runs the packed task under the official task library's test runner, on each handler, and reads what it says with the
// library's own parser: node task-library.js TASK-FOLDER REPOSITORY NODE20 NODE24. The library downloads nodes of its own
// unless they are there.
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const [task, repository, ...nodes] = process.argv.slice(2);
const home = fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'passgate-task-'));
Object.assign(process.env, { HOME: home, TF_BUILD: 'True', AGENT_TEMPDIRECTORY: home, TASK_FOLDER: task });
for (const [at, name] of ['node20/node-v20.13.1-linux-x64', 'node24/node-v24.10.0-linux-x64'].entries()) {
  const folder = path.join(home, 'azure-pipelines-task-lib/_download', name, 'bin');
  fs.mkdirSync(folder, { recursive: true });
  fs.symlinkSync(nodes[at], path.join(folder, 'node'));
  fs.writeFileSync(path.join(home, 'azure-pipelines-task-lib/_download', `${path.dirname(name)}.completed`), '');
}
// The library looks at HOME when it is loaded.
const { MockTestRunner } = require('azure-pipelines-task-lib/mock-test');
const { commandFromString } = require('azure-pipelines-task-lib/taskcommand');

async function run(node, inputs) {
  process.env.TASK_INPUTS = JSON.stringify(inputs);
  const runner = await new MockTestRunner().LoadAsync(path.join(__dirname, 'task-run.js'), path.join(task, 'task.json'));
  await runner.runAsync(node);
  const lines = `${runner.stdout}\n${runner.stderr}`.split('\n').filter((line) => line.includes('##vso['));
  const commands = lines.map((line) => commandFromString(line.slice(line.indexOf('##vso['))));
  const outputs = commands.filter((one) => one.command === 'task.setvariable');
  return { runner, commands, outputs: Object.fromEntries(outputs.map((one) => [one.properties.variable, one.message])) };
}

(async () => {
  const declared = JSON.parse(fs.readFileSync(path.join(task, 'task.json'))).outputVariables.map((one) => one.name).sort();
  for (const node of [20, 24]) {
    const output = path.join(home, `${node};100%].zip`);
    const inputs = { command: 'package', repo: repository, unit: 'shop', source: 'https://example.org/acme/shop', output };
    const { runner, commands, outputs } = await run(node, { ...inputs, commit: '', dryRun: 'False', token: 's3cret' });
    assert.equal(outputs.result, 'packaged', runner.stderr);
    assert.deepEqual(Object.keys(outputs).sort(), declared);
    assert.equal(outputs.path, output);
    assert.ok(runner.stdout.trim().endsWith(outputs.digest), runner.stdout);
    assert.equal(commands.find((one) => one.command === 'artifact.upload').message, output);
    assert.ok(commands.some((one) => one.command === 'task.setsecret' && one.message === 's3cret'));
    const refused = await run(node, { command: 'mark', state: 'maybe' });
    assert.equal(refused.outputs.result, 'usage', refused.runner.stderr);
    assert.ok(refused.commands.some((one) => one.command === 'task.logissue' && one.properties.type === 'error'));
    console.log(`Node ${node}: packaged ${outputs.digest}`);
  }
})().finally(() => fs.rmSync(home, { recursive: true }));
