// A scripted session: named steps that run in order against the server at DROVER_URI. Prints one line per failed step and
// a count at the end; the exit status says whether all passed.
'use strict';

class Session {
  constructor(name) {
    this.name = name;
    this.steps = [];
  }

  // `since`: the first server version ("5.0") that the step is meant for.
  step(name, body, { since = '0.0', until = '99.0' } = {}) {
    this.steps.push({ name, body, since, until });
  }

  async run(context) {
    const version = parseFloat(context.version);
    let passed = 0;
    let failed = 0;
    for (const { name, body, since, until } of this.steps) {
      if (version < parseFloat(since) || version >= parseFloat(until)) continue;
      try {
        await body(context);
        ++passed;
      } catch (error) {
        ++failed;
        console.log(`FAILED ${this.name}: ${name}: ${error.stack || error}`);
      }
    }
    console.log(`${this.name}: ${passed} passed, ${failed} failed`);
    return failed === 0;
  }
}

// What a rejected promise was rejected with; fails when it was not.
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('expected a failure');
}

module.exports = { Session, failure };
