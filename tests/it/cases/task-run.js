'use strict';
// One run of the task, as the official library's mock of an agent starts it: see task-library.js.
const path = require('node:path');
const { TaskMockRunner } = require('azure-pipelines-task-lib/mock-run');

const run = new TaskMockRunner(path.join(process.env.TASK_FOLDER, 'dist/index.js'));
for (const [name, value] of Object.entries(JSON.parse(process.env.TASK_INPUTS))) run.setInput(name, value);
run.run(true);
