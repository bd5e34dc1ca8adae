// One Lean session: imports once, then elaborates sources, each from a state that nothing can change.
//
// Promises: `elaborate` leaves the state it starts from untouched (it is persistent, so immutable), and reads Lean's
// structured messages, never printed text. Does not: judge anything. Fails: an exception out of `elaborate` means the
// heap can no longer be trusted and the process must end.
'use strict';

const { load } = require('./ffi.js');

const WASM_STACK_MB = 64; // room for deep tactic and kernel recursion
const SEVERITIES = ['info', 'warning', 'error'];
const MAX_MESSAGES = 50; // and the first error, for whether there is one decides
const MAX_MESSAGE_CHARS = 4000;

// Our own scope around every source: no code generation for definitions, no linters, a fixed budget of heartbeats.
const scope = (maxHeartbeats) =>
  `set_option linter.all false\nset_option maxHeartbeats ${maxHeartbeats}\nnoncomputable section\n`;

/** Starts Lean with the given modules. Result: {lean (ffi), root (state), elaborate, constants, version}. */
exports.open = async ({ moduleDir, libraryDir, imports, maxHeartbeats }) => {
  const lean = await load(moduleDir, () => {});
  const { raw, call, io, inc, dec, box, field, list, name, text, mkCtor, mkName, mkString } = lean;

  const size = WASM_STACK_MB << 20;
  const top = (raw('malloc')(size) + size) & ~15;
  raw('emscripten_stack_set_limits')(top >>> 0, (top - size + 64) >>> 0);
  raw('_emscripten_stack_restore')(top >>> 0);
  raw('lean_initialize')();
  raw('lean_io_mark_end_initialization')();
  raw('lean_init_task_manager_using')(1);

  // The host's files are visible only while the library is read.
  const fs = lean.module.FS;
  fs.mkdir('/lean');
  fs.mount(lean.module.NODEFS, { root: libraryDir }, '/lean');
  io(call('l_Lean_initSearchPath', mkString('/lean'), box(0)));
  raw('lean_enable_initializer_execution')();
  const options = lean.persist(inc(lean.global('l_Lean_Options_empty')));
  const modules = lean.mkArray(imports.map((m) => mkCtor(0, [mkName(m.split('.'))], [0, 1, 0])));
  const imported = io(raw('l_Lean_importModules')(modules, options, 0, lean.mkArray([]), 1, 1, 0, box(1)) >>> 0);
  fs.unmount('/lean');
  const environment = call('l_Lean_Environment_setMainModule', imported, mkName(['_cand']));
  const noMessages = lean.persist(inc(lean.global('l_Lean_MessageLog_empty')));
  const bare = call('l_Lean_Elab_Command_mkState', environment, noMessages, options);

  function readMessages(log, into, phase, maxChars) {
    const items = call('l_Lean_MessageLog_toList', inc(log));
    for (const m of list(items)) {
      const severity = SEVERITIES[lean.scalar8(m, 1)];
      const isFirstError = severity === 'error' && !into.some((other) => other.severity === 'error');
      if (into.length >= MAX_MESSAGES && !isFirstError) continue;
      const position = field(m, 1);
      const s = call('l_Lean_MessageData_toString', inc(field(m, 4)), box(0));
      const full = text(s);
      dec(s);
      into.push({
        severity,
        line: lean.unbox(field(position, 0)),
        column: lean.unbox(field(position, 1)),
        phase,
        text: full.slice(0, maxChars),
      });
    }
    dec(items);
  }

  let ownScopes = 0; // known once `root` exists: the file's own and our noncomputable section
  const depth = (state) => list(field(state, 2)).length;

  /**
   * Elaborates `source` command by command from `start` (borrowed). `inspect(command, kind)` sees each parse tree first:
   * it returns null to go on, {skip: true} to leave the command out, or {veto: reason} to stop. `mayEndOuter(state)` says
   * whether scopes that `start` had open may be closed by now; our own never. A message's text is cut at `maxChars`.
   * Result: {state (owned), messages, veto}.
   */
  function elaborate(source, start, inspect, mayEndOuter, maxChars = MAX_MESSAGE_CHARS) {
    const s = mkString(source);
    const end = box(Buffer.byteLength(source));
    const input = call('l_Lean_Parser_mkInputContext___redArg', s, mkString('c'), box(1), end);
    let parser = mkCtor(0, [box(0)], [0]);
    let state = inc(start);
    const messages = [];
    let veto = null;
    for (;;) {
      const current = field(field(state, 2), 0);
      const parserModule = mkCtor(0, [
        inc(field(state, 0)), inc(field(current, 1)), inc(field(current, 2)), inc(field(current, 3)),
      ]);
      const position = field(parser, 0);
      const parsed = call('l_Lean_Parser_parseCommand', inc(input), parserModule, parser, noMessages);
      const command = inc(field(parsed, 0));
      const rest = field(parsed, 1);
      parser = inc(field(rest, 0));
      readMessages(field(rest, 1), messages, 'parse', maxChars);
      dec(parsed);
      const kind = lean.tag(command) === 1 ? name(field(command, 1)).join('.') : '';
      const atEnd = kind === 'Lean.Parser.Command.eoi' || kind === 'Lean.Parser.Command.exit';
      const verdict = inspect ? inspect(command, kind) : null;
      if (verdict && verdict.veto) {
        veto = verdict.veto;
        dec(command);
        break;
      }
      if (verdict && verdict.skip) {
        dec(command);
        continue;
      }
      const ref = raw('lean_st_mk_ref')(mkCtor(0, [state, inc(parser), position, lean.mkArray([])])) >>> 0;
      io(call('l_Lean_Elab_Frontend_elabCommandAtFrontend', command, inc(input), inc(ref)));
      const frontend = raw('lean_st_ref_get')(ref) >>> 0;
      state = inc(field(frontend, 0));
      dec(frontend);
      dec(ref);
      readMessages(field(state, 1), messages, 'elaboration', maxChars);
      if (atEnd) break;
      const open = depth(state);
      if (open < ownScopes || (open < depth(start) && mayEndOuter && !mayEndOuter(state))) {
        veto = 'closes a section or namespace that it did not open';
        break;
      }
    }
    dec(parser);
    dec(input);
    return { state, messages, veto };
  }

  /** The constants of a state that are not in the imported library: {kernel (owned), byKey: key → ConstantInfo (borrowed)}. */
  function constants(state) {
    const kernel = call('lean_elab_environment_to_kernel_env', inc(field(state, 0)));
    const byKey = new Map();
    // The second stage of the constant map, a hash trie: inner nodes hold entries (tag 0), references or nothing.
    const nodes = [field(field(kernel, 0), 1)];
    while (nodes.length) {
      const node = nodes.pop();
      if (lean.isScalar(node)) continue;
      if (lean.tag(node) === 0) {
        for (const entry of lean.fields(field(node, 0))) {
          if (lean.isScalar(entry)) continue;
          if (lean.tag(entry) === 0) byKey.set(key(name(field(entry, 0))), field(entry, 1));
          else nodes.push(field(entry, 0));
        }
      } else {
        const values = lean.fields(field(node, 1));
        lean.fields(field(node, 0)).forEach((k, i) => byKey.set(key(name(k)), values[i]));
      }
    }
    return { kernel, byKey };
  }

  const begin = elaborate(scope(maxHeartbeats), bare, null, null);
  const root = lean.persist(begin.state);
  const library = constants(root);
  ownScopes = depth(root);
  const versionText = lean.global('l_Lean_versionString');
  return {
    lean,
    root,
    libraryKernel: lean.persist(library.kernel),
    elaborate,
    constants,
    depth,
    version: versionText ? text(versionText) : 'unknown',
    startupErrors: begin.messages.filter((m) => m.severity === 'error'),
  };
};

/** An injective text form of a name given as components. */
const key = (components) =>
  components.map((c) => (typeof c === 'string' ? JSON.stringify(c) : c.n)).join('.');
exports.key = key;
