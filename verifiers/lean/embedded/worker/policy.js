// The syntax policy: looks at each command's parse tree before it is elaborated, refuses known cheats and explains itself.
//
// A courtesy and a guard for the elaborating process, not what soundness rests on: the audit decides on its own. So it
// refuses what has no place in a proof (sorry, axioms, native code, code run at elaboration time) and lets the rest be,
// notations and macros included: those can change how the text reads, and the audit compares what it came to mean.
'use strict';

// Commands that only print are left out rather than refused: people end proofs with `#print axioms`.
const PRINTS = new Set(
  ['check', 'check_failure', 'print', 'printAxioms', 'printSig', 'printEqns', 'printTacTags', 'synth', 'version', 'where', 'reduce'].map(
    (c) => `Lean.Parser.Command.${c}`,
  ),
);
const RUNS_CODE = /(^|\.)(eval|evalBang|runCmd|runElab|runMeta|run_cmd|run_elab|run_meta|elab|elab_rules|initialize|builtin_initialize|initQuot|init_quot|runTac|run_tac|byElab|by_elab|simproc|simproc_decl|builtin_simproc|register.*|import|addDocString|guardCmd|guardMsgsCmd|genInjectiveTheorems)$/;
const FORBIDDEN_TOKENS = new Set(['sorry', 'admit', 'unsafe', 'native_decide', 'axiom', 'dbg_trace', 'include_str', 'stop']);
const FORBIDDEN_NAMES =
  /(^|\.)(sorryAx|ofReduceBool|ofReduceNat|reduceBool|reduceNat|trustCompiler|lcProof|lcUnreachable|lcAny|unsafeIO|unsafeBaseIO|unsafeEIO|unsafeCast|ptrAddrUnsafe|dbgTrace|dbgTraceVal|addDecl|addDeclCore|addDeclWithoutChecking|modifyEnv|setEnv)$/;
const FORBIDDEN_ATTRIBUTES =
  /^(implemented_by|extern|export|init|builtin_init|csimp|computed_fields|command_elab|tactic|term_elab|macro|run_.*|builtin_.*|unbox|never_extract|inline_if_reduce|simproc|simprocAttr|command_parser|term_parser|tactic_parser|combinator_.*|export_.*)$/;
const FORBIDDEN_OPTIONS = /^(debug|compiler|interpreter|internal|experimental|profiler|Elab|server|stderrAsMessages)(\.|$)/;
const MAX_HEARTBEATS = /^(synthInstance\.)?maxHeartbeats$/;

/** An `inspect` function for lean.js. With `enabled` false only the structural rules hold. */
exports.inspector = (lean, { enabled, maxHeartbeats }) => {
  const { tag, field, fields, isScalar, text } = lean;
  const shown = (o) => lean.name(o).map((c) => (typeof c === 'string' ? c : c.n)).join('.');
  const identifiers = (node) => fields(field(node, 2)).filter((c) => !isScalar(c) && tag(c) === 3);

  function refusal(command, kind) {
    if (RUNS_CODE.test(kind)) return `runs code while Lean elaborates: ${last(kind)}`;
    const stack = [command];
    while (stack.length) {
      const node = stack.pop();
      if (isScalar(node)) continue;
      switch (tag(node)) {
        case 1: {
          const k = shown(field(node, 1));
          if (RUNS_CODE.test(k)) return `runs code while Lean elaborates: ${last(k)}`;
          if (/^Lean\.Parser\.(Command|Tactic|Term)\.set_option$/.test(k)) {
            const option = identifiers(node)[0];
            const name = option ? shown(field(option, 2)) : '';
            if (FORBIDDEN_OPTIONS.test(name)) return `sets the option ${name}`;
            if (MAX_HEARTBEATS.test(name) && !withinHeartbeats(node)) return 'raises maxHeartbeats';
          }
          if (/^Lean\.Parser\.Attr\.|^Lean\.Attr\.|^Lean\.Parser\.Term\.attrInstance$/.test(k)) {
            const names = [last(k), ...identifiers(node).map((i) => shown(field(i, 2)))];
            const bad = names.find((n) => FORBIDDEN_ATTRIBUTES.test(n));
            if (bad) return `uses the attribute ${bad}`;
          }
          if (/nativeDecide/.test(k)) return 'uses native_decide';
          stack.push(...fields(field(node, 2)));
          break;
        }
        case 2: {
          const atom = text(field(node, 1));
          if (FORBIDDEN_TOKENS.has(atom)) return `uses ${atom}`;
          if (atom === '+native') return 'uses native_decide';
          break;
        }
        case 3: {
          const name = shown(field(node, 2));
          if (FORBIDDEN_NAMES.test(name)) return `uses ${name}`;
          break;
        }
      }
    }
    return null;
  }
  function withinHeartbeats(node) {
    // [set_option, name, value]; what follows an `in` comes later in the array or in another node.
    const value = fields(field(node, 2)).slice(0, 4).find((c) => !isScalar(c) && tag(c) === 1 && shown(field(c, 1)) === 'num');
    if (!value) return true;
    const number = Number(text(field(fields(field(value, 2))[0], 1)).replace(/_/g, ''));
    return number > 0 && number <= maxHeartbeats;
  }
  const last = (kind) => kind.split('.').pop();

  return (command, kind) => {
    if (kind === 'Lean.Parser.Command.exit') return { veto: 'uses #exit' };
    if (PRINTS.has(kind)) return { skip: true };
    if (!enabled) return null;
    const reason = refusal(command, kind);
    return reason ? { veto: reason } : null;
  };
};
