// One warm Lean process. Requests come as JSON lines on standard input, answers go out as JSON lines on standard output;
// a message whose `payload` is true is followed by one more line, an export, that the supervisor carries unread.
//
//   {op: "reference", id, header, statement, name}      → {ok, target} or {ok: false, reason, message}
//   {op: "vacuous", id}                                 → {ok, vacuous}
//   {op: "elaborate", header, source, target, policy}   → {ok, messages, veto, found, payload}
//   {op: "tactic", header, statement, tactics, policy}  → {ok, goals, commands} or {ok: false, reason, message}
//   {op: "audit", id, payload}                          → audit.js's answer
//   {op: "library", names}                              → {ok, payload}: those library constants and what they use
//
// The supervisor gives a process one role: one that has elaborated a candidate never answers for a reference or an audit.
// What Lean prints goes nowhere. Fails: on any exception it answers {fatal} and exits, since the heap is then suspect.
'use strict';

const fs = require('fs');
const { randomUUID } = require('crypto');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const { open, key } = require('./lean.js');
const { exporter, KINDS } = require('./export.js');
const { auditor } = require('./audit.js');
const { inspector } = require('./policy.js');

// Deep recursion of Lean's runs on the native stack. Only a thread's size is ours to choose: raising the process's limit
// would give every thread of Node's as much.
const STACK_MB = 512;
const SCRIPT_HEAP_MB = 1024;
const MAX_HEADERS = 64; // their states are immortal; the supervisor recycles us above this
const MAX_REFERENCES = 4096;
const MAX_GOAL_CHARS = 16000; // of all goals of a state together
const THEOREM = 2; // tag of ConstantInfo.thmInfo
const VACUITY_HEARTBEATS = 2000;
const VACUITY_PROOF = 'by\n  exfalso\n  first | contradiction | omega | simp_all | grind';

// First use of a function compiles it; these touch what nearly every candidate touches.
const WARM_UP = [
  'theorem w : 1 = 1 := rfl',
  'theorem w (a b : Nat) (h : a < b) : a + 1 ≤ b ∧ a + 0 = a := by\n  constructor\n  · omega\n  · simp',
  'theorem w (p q : Prop) (hp : p) (hq : q) : p ∧ q := by\n  exact ⟨hp, hq⟩',
];

function send(message, payload) {
  let bytes = Buffer.from(JSON.stringify(payload === undefined ? message : { ...message, payload: true }) + '\n');
  if (payload !== undefined) bytes = Buffer.concat([bytes, Buffer.from(payload + '\n')]);
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += fs.writeSync(1, bytes, sent);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

const isError = (m) => m.severity === 'error';

async function main() {
  const settings = workerData;
  // Lean's own prints and the runtime's warnings have no business on the answer channel.
  console.log = console.warn = console.error = () => {};
  const session = await open(settings);
  if (session.startupErrors.length) throw new Error(session.startupErrors[0].text);
  const { lean, root, elaborate, constants } = session;
  const headers = new Map([['', { state: root, errors: [], known: new Set() }]]);
  const references = new Map();
  const { audit, library } = auditor(session);

  function headerState(header) {
    if (!headers.has(header)) {
      const { state, messages, veto } = elaborate(header, root, null, null);
      const { kernel, byKey } = constants(state);
      const errors = messages.filter(isError);
      if (veto) errors.push({ severity: 'error', line: 1, column: 0, text: veto });
      headers.set(header, { state: lean.persist(state), errors, known: new Set(byKey.keys()) });
      lean.dec(kernel);
    }
    return headers.get(header);
  }
  const display = (components) =>
    (components[0] === '_private' ? components.slice(components.findIndex((c) => typeof c !== 'string') + 1) : components).join('.');

  function reference({ id, header, statement, name }) {
    const before = headerState(header);
    if (before.errors.length) return { ok: false, reason: 'header', message: before.errors[0] };
    const { state, messages } = elaborate(`${statement} := sorry\n`, before.state, null, null);
    const { kernel, byKey } = constants(state);
    try {
      const error = messages.find(isError);
      if (error) return { ok: false, reason: 'statement', message: error };
      const stated = [];
      for (const [k, info] of byKey) {
        if (lean.tag(info) !== THEOREM || before.known.has(k)) continue;
        const components = lean.name(lean.field(lean.field(lean.field(info, 0), 0), 0));
        const shown = display(components);
        if (shown === name || shown.endsWith('.' + name)) stated.push({ k, components, shown });
      }
      stated.sort((a, b) => a.shown.length - b.shown.length);
      if (!stated.length) return { ok: false, reason: 'name' };
      const out = exporter(lean, byKey);
      for (const [k, info] of byKey) if (lean.tag(info) === 0) out.add(k, false);
      const exported = out.add(stated[0].k, true);
      if (exported.names.some((row) => row && row[0] === 0 && row[1] === 'sorryAx'))
        return { ok: false, reason: 'statement', message: { line: 1, text: 'what it states depends on sorry' } };
      if (references.size >= MAX_REFERENCES) references.delete(references.keys().next().value);
      references.set(id, { exported, header, statement });
      return { ok: true, target: stated[0].components };
    } finally {
      lean.dec(kernel);
      lean.dec(state);
    }
  }

  function vacuous({ id }) {
    const known = references.get(id);
    if (!known) return { ok: false, reason: 'unknown reference' };
    const source = `set_option maxHeartbeats ${VACUITY_HEARTBEATS} in\n${known.statement} := ${VACUITY_PROOF}\n`;
    const { state, messages } = elaborate(source, headerState(known.header).state, null, null);
    lean.dec(state);
    return { ok: true, vacuous: !messages.some(isError) };
  }

  function attempt({ header, source, target, policy }) {
    const before = headerState(header);
    if (before.errors.length) return [{ ok: false, messages: before.errors, veto: null }];
    const wanted = key(target);
    const mayEndOuter = (state) => {
      const { kernel, byKey } = constants(state);
      const there = byKey.has(wanted);
      lean.dec(kernel);
      return there;
    };
    const inspect = inspector(lean, { enabled: policy, maxHeartbeats: settings.maxHeartbeatsInText });
    const { state, messages, veto } = elaborate(source, before.state, inspect, mayEndOuter);
    const shown = messages.filter((m) => m.severity !== 'info');
    try {
      if (veto || messages.some(isError)) return [{ ok: false, messages: shown, veto }];
      const { kernel, byKey } = constants(state);
      try {
        const info = byKey.get(wanted);
        const found = info === undefined ? null : KINDS[lean.tag(info)];
        if (found !== 'theorem') return [{ ok: false, messages: shown, veto: null, found }];
        let exported;
        try {
          exported = JSON.stringify(exporter(lean, byKey).add(wanted, false));
        } catch (error) {
          return [{ ok: false, messages: shown, veto: null, found, unexportable: error.message }];
        }
        return [{ ok: true, messages: shown, veto: null, found }, exported];
      } finally {
        lean.dec(kernel);
      }
    } finally {
      lean.dec(state);
    }
  }

  /**
   * The goals that are left after `tactics`, in order, ran on the statement's own goal. A state is the tactics that lead
   * to it: nothing is kept here, so nothing of one request reaches the next, and a state outlives the process.
   * A failing tactic of ours at the end, whose message cannot be known before, tells the goals.
   */
  function tactic({ header, statement, tactics, policy }) {
    const before = headerState(header);
    if (before.errors.length) return { ok: false, reason: 'header', message: before.errors[0].text };
    const probe = randomUUID();
    // Parentheses close what a tactic leaves open; its lines keep their columns relative to each other.
    const block = tactics.map((t) => `  (\n    ${t.replace(/\n/g, '\n    ')}\n  )\n`).join('');
    const inspect = inspector(lean, { enabled: policy, maxHeartbeats: settings.maxHeartbeatsInText });
    let commands = 0;
    const counting = (command, kind) => {
      commands += 1;
      return inspect(command, kind);
    };
    const source = `${statement} := by\n${block}  fail "${probe}"\n`;
    const { state, messages, veto } = elaborate(source, before.state, counting, null, MAX_GOAL_CHARS);
    lean.dec(state);
    if (veto) return { ok: false, reason: 'policy', message: veto };
    const first = messages.find(isError);
    if (!first) return { ok: false, reason: 'error', message: 'the goals cannot be seen after it' };
    if (!first.text.startsWith(probe)) return { ok: false, reason: 'error', message: first.text };
    if (first.text.length >= MAX_GOAL_CHARS) return { ok: false, reason: 'error', message: 'the goals are too long' };
    return { ok: true, goals: first.text.slice(probe.length).trim(), commands };
  }

  function judge({ id }, payload) {
    const known = references.get(id);
    if (!known) return { ok: false, reason: 'unknown reference' };
    return audit(known.exported, JSON.parse(payload), settings.replayHeartbeats);
  }

  for (const source of WARM_UP) {
    const target = ['_private', '_cand', { n: '0' }, 'w'];
    const [answer, exported] = attempt({ header: '', source, target, policy: true });
    if (!answer.ok) throw new Error(`warm-up failed: ${JSON.stringify(answer)}`);
    if (settings.role === 'auditor') {
      reference({ id: 'w', header: '', statement: source.slice(0, source.indexOf(':=')).trim(), name: 'w' });
      const verdict = judge({ id: 'w' }, exported);
      if (!verdict.ok) throw new Error(`warm-up audit failed: ${JSON.stringify(verdict)}`);
    }
  }
  references.clear();
  send({ ready: true, version: session.version, pid: process.pid, heapMb: lean.heapMb() });

  function serve(request, payload) {
    const started = performance.now();
    let answer, exported;
    switch (request.op) {
      case 'reference': answer = reference(request); break;
      case 'vacuous': answer = vacuous(request); break;
      case 'elaborate': [answer, exported] = attempt(request); break;
      case 'tactic': answer = tactic(request); break;
      case 'audit': answer = judge(request, payload); break;
      case 'library': [answer, exported] = [{ ok: true }, JSON.stringify(library(request.names))]; break;
      default: answer = { ok: false, reason: `unknown op ${request.op}` };
    }
    const seconds = (performance.now() - started) / 1000;
    send({ ...answer, seconds, heapMb: lean.heapMb(), tired: headers.size > MAX_HEADERS }, exported);
  }

  let pending = null;
  parentPort.on('message', (bytes) => {
    const line = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
    try {
      if (pending) {
        const request = pending;
        pending = null;
        serve(request, line);
      } else {
        const request = JSON.parse(line);
        if (request.payload) pending = request;
        else serve(request, undefined);
      }
    } catch (error) {
      fail(error, 70);
    }
  });
}

function fail(error, code) {
  const shown = (error && (error.stack || error.message || error.name)) || error;
  send({ fatal: String(shown).slice(0, 2000) });
  process.exit(code);
}

/** The main thread: hands each line of standard input to the thread that Lean runs in. */
function forward() {
  const worker = new Worker(__filename, {
    workerData: JSON.parse(process.argv[2]),
    resourceLimits: { stackSizeMb: STACK_MB, maxOldGenerationSizeMb: SCRIPT_HEAP_MB },
  });
  worker.on('error', (error) => fail(error, 72));
  worker.on('exit', (code) => process.exit(code));
  let begun = [];
  process.stdin.on('data', (chunk) => {
    let begin = 0;
    for (let end; (end = chunk.indexOf(10, begin)) >= 0; begin = end + 1) {
      worker.postMessage(new Uint8Array(Buffer.concat([...begun, chunk.subarray(begin, end)])));
      begun = [];
    }
    if (begin < chunk.length) begun.push(Buffer.from(chunk.subarray(begin)));
  });
  process.stdin.on('end', () => process.exit(0));
}

if (isMainThread) forward();
else main().catch((error) => fail(error, 71));
