// The audit: replays an exported proof through Lean's kernel on top of the pristine library, and traces its axioms.
//
// Runs in a process that has never elaborated a candidate. Its input is data (export.js); whatever an elaborator that a
// candidate subverted may send, what is accepted was built here, term by term, and checked by the kernel.
// Trusted: this file, compare.js, ffi.js, the kernel inside lean.wasm and its compiled library. An axiom below the
// library's surface can not be traced, because these library files leave proofs out; the library itself is trusted.
'use strict';

const { comparison, nameKey } = require('./compare.js');

const STANDARD_AXIOMS = new Set(['"propext"', '"Quot"."sound"', '"Classical"."choice"']);
// Constants whose kernel meaning rests on compiled code, whatever kind the library files give them.
const COMPILER_TRUST = new Set(
  ['reduceBool', 'reduceNat', 'ofReduceBool', 'ofReduceNat', 'trustCompiler'].map((n) => `"Lean"."${n}"`).concat('"sorryAx"'),
);
const KERNEL_ERRORS = [
  'unknown constant', 'already declared', 'declaration type mismatch', 'declaration has metavariables',
  'declaration has free variables', 'function expected', 'type expected', 'let type mismatch', 'expression type mismatch',
  'application type mismatch', 'invalid projection', 'theorem type is not a proposition', 'other',
  'deterministic timeout', 'excessive memory', 'deep recursion', 'interrupted',
];
const RESOURCE_ERRORS = new Set(['deterministic timeout', 'excessive memory', 'deep recursion', 'interrupted']);
const SAFE = 1;
const STORED_AS_AXIOM = 0; // tag of ConstantInfo.axiomInfo
const AXIOM_KIND = 2; // ConstantKind.axiom

/** An auditor over a session (lean.js). `audit(reference, candidate)` → {ok, …} or {ok: false, reason, …}. */
exports.auditor = (session) => {
  const { lean, libraryKernel } = session;
  const { raw, call, inc, dec, box, field, tag, isScalar, mkCtor, mkName, mkNat, mkString, mkList, unbox } = lean;

  const kinds = new Map(); // library constant's key → 'absent' | 'axiom' | 'other'
  /** What a library constant is. Its files store theorems and hidden definitions as axioms and record what they were. */
  function libraryKind(components) {
    const k = components.map((c) => (typeof c === 'string' ? JSON.stringify(c) : c.n)).join('.');
    if (!kinds.has(k)) {
      const found = raw('lean_environment_find')(inc(libraryKernel), mkName(components)) >>> 0;
      let kind = 'absent';
      if (!isScalar(found)) {
        kind = 'other';
        if (tag(field(found, 0)) === STORED_AS_AXIOM) {
          const original = call('l_Lean_getOriginalConstKind_x3f', inc(field(session.root, 0)), mkName(components));
          // An axiom unless the library's record says otherwise.
          if (isScalar(original) || unbox(field(original, 0)) === AXIOM_KIND) kind = 'axiom';
          dec(original);
        }
        dec(found);
      }
      kinds.set(k, kind);
    }
    return kinds.get(k);
  }

  const componentsOf = (names, index) => {
    const parts = [];
    for (let i = index; i; i = names[i][0]) parts.push(names[i][1]);
    return parts.reverse();
  };

  function audit(reference, candidate, maxHeartbeats) {
    const compared = comparison(reference, candidate);
    const differs = compared.difference();
    if (differs) return { ok: false, reason: 'statement', detail: differs };

    // 1. Axioms, from the exported terms alone.
    const axioms = new Set();
    const forbidden = new Set();
    const headerAxioms = new Set();
    const display = (n) => componentsOf(candidate.names, n).map((c) => (typeof c === 'string' ? c : c.n)).join('.');
    for (const d of candidate.declarations) {
      if (d.k === 'axiom') (compared.headerAxiom(d.n) ? headerAxioms : forbidden).add(display(d.n));
    }
    const asked = new Set();
    for (const e of candidate.exprs) {
      if (e[0] !== 'c' && e[0] !== 'j') continue;
      const n = e[1];
      if (asked.has(n)) continue;
      asked.add(n);
      const k = nameKey(candidate.names, n);
      if (COMPILER_TRUST.has(k)) forbidden.add(display(n));
      else if (libraryKind(componentsOf(candidate.names, n)) === 'axiom')
        (STANDARD_AXIOMS.has(k) ? axioms : forbidden).add(display(n));
    }
    if (forbidden.size) return { ok: false, reason: 'axioms', axioms: [...forbidden].slice(0, 20) };

    // 2. The kernel. Every table entry owns one count; parts are `inc`ed into the objects built from them.
    const tables = [];
    const table = (rows, make) => {
      const t = [];
      tables.push(t);
      for (const row of rows) t.push(make(row, t));
      return t;
    };
    const at = (t, i) => {
      if (!Number.isInteger(i) || i < 0 || i >= t.length) throw new Malformed('a reference points nowhere');
      return inc(t[i]);
    };
    let environment = inc(libraryKernel);
    try {
      const names = table(candidate.names, (row, t) =>
        row === null
          ? box(0)
          : typeof row[1] === 'string'
            ? raw('lean_name_mk_string')(at(t, row[0]), mkString(row[1])) >>> 0
            : raw('lean_name_mk_numeral')(at(t, row[0]), mkNat(digits(row[1].n))) >>> 0,
      );
      const levels = table(candidate.levels, (row, t) => {
        switch (row[0]) {
          case '0': return raw('lean_level_mk_zero')(box(0)) >>> 0;
          case 's': return raw('lean_level_mk_succ')(at(t, row[1])) >>> 0;
          case 'm': return raw('lean_level_mk_max')(at(t, row[1]), at(t, row[2])) >>> 0;
          case 'i': return raw('lean_level_mk_imax')(at(t, row[1]), at(t, row[2])) >>> 0;
          case 'p': return raw('lean_level_mk_param')(at(names, row[1])) >>> 0;
          default: throw new Malformed('an unknown level');
        }
      });
      const exprs = table(candidate.exprs, (row, t) => {
        switch (row[0]) {
          case 'v': return raw('lean_expr_mk_bvar')(mkNat(digits(row[1]))) >>> 0;
          case 's': return raw('lean_expr_mk_sort')(at(levels, row[1])) >>> 0;
          case 'c': return raw('lean_expr_mk_const')(at(names, row[1]), mkList(row[2].map((l) => at(levels, l)))) >>> 0;
          case 'a': return raw('lean_expr_mk_app')(at(t, row[1]), at(t, row[2])) >>> 0;
          case 'l': return raw('lean_expr_mk_lambda')(at(names, row[1]), at(t, row[2]), at(t, row[3]), row[4] & 3) >>> 0;
          case 'p': return raw('lean_expr_mk_forall')(at(names, row[1]), at(t, row[2]), at(t, row[3]), row[4] & 3) >>> 0;
          case 't':
            return raw('lean_expr_mk_let')(at(names, row[1]), at(t, row[2]), at(t, row[3]), at(t, row[4]), row[5] & 1) >>> 0;
          case 'n': return raw('lean_expr_mk_lit')(mkCtor(0, [mkNat(digits(row[1]))])) >>> 0;
          case 'x': return raw('lean_expr_mk_lit')(mkCtor(1, [mkString(String(row[1]))])) >>> 0;
          case 'j': return raw('lean_expr_mk_proj')(at(names, row[1]), mkNat(digits(row[2])), at(t, row[3])) >>> 0;
          default: throw new Malformed('an unknown expression');
        }
      });
      const parameters = (l) => mkList(l.map((n) => at(names, n)));
      const head = (d) => mkCtor(0, [at(names, d.n), parameters(d.l), at(exprs, d.t)]);
      const itself = (d) => mkList([at(names, d.n)]);
      const declaration = (d) => {
        switch (d.k) {
          case 'axiom': return mkCtor(0, [mkCtor(0, [head(d)], [0])]);
          case 'definition':
            return mkCtor(1, [mkCtor(0, [head(d), at(exprs, d.v), hints(d.h), itself(d)], [SAFE])]);
          case 'theorem': return mkCtor(2, [mkCtor(0, [head(d), at(exprs, d.v), itself(d)])]);
          case 'opaque': return mkCtor(3, [mkCtor(0, [head(d), at(exprs, d.v), itself(d)], [0])]);
          case 'inductive': {
            const types = d.types.map((t) => {
              const constructors = t.c.map((c) => mkCtor(0, [at(names, c.n), at(exprs, c.t)]));
              return mkCtor(0, [at(names, t.n), at(exprs, t.t), mkList(constructors)]);
            });
            return mkCtor(6, [parameters(d.l), mkNat(digits(d.p)), mkList(types)], [0]);
          }
          default: throw new Malformed('an unknown declaration');
        }
      };
      const hints = (h) => {
        if (h === 'a') return box(1);
        if (!Number.isInteger(h)) return box(0);
        return mkCtor(2, [], [h & 255, (h >> 8) & 255, (h >> 16) & 255, (h >> 24) & 255]);
      };
      for (const d of candidate.declarations) {
        const object = declaration(d);
        const result = raw('lean_add_decl')(environment, maxHeartbeats, object, box(0)) >>> 0;
        dec(object);
        environment = 0; // consumed by the call
        if (tag(result) === 0) {
          const error = field(result, 0);
          const what = KERNEL_ERRORS[isScalar(error) ? unbox(error) : tag(error)] || 'kernel exception';
          dec(result);
          return { ok: false, reason: RESOURCE_ERRORS.has(what) ? 'resources' : 'kernel', detail: `${what} at ${display(d.n)}` };
        }
        environment = inc(field(result, 0));
        dec(result);
      }
    } catch (error) {
      if (error instanceof Malformed) return { ok: false, reason: 'kernel', detail: error.message };
      throw error;
    } finally {
      for (const t of tables) for (const o of t) dec(o);
      if (environment) dec(environment);
    }
    return {
      ok: true,
      axioms: [...axioms].sort(),
      headerAxioms: [...headerAxioms].sort(),
      replayed: candidate.declarations.length,
    };
  }
  return { audit };
};

class Malformed extends Error {}

function digits(s) {
  if (typeof s !== 'string' || !/^[0-9]{1,100000}$/.test(s)) throw new Malformed('a number is not written in digits');
  return s;
}
