// The audit: replays an exported proof through Lean's kernel on top of the pristine library, and traces its axioms.
//
// Runs in a process that has never elaborated a candidate. Its input is data (export.js); whatever an elaborator that a
// candidate subverted may send, what is accepted was built here, term by term, and checked by the kernel.
// `library` writes the closure of library constants, for the second kernel (second_kernel/), which has no library.
// Trusted: this file, compare.js, ffi.js, the kernel inside lean.wasm and its compiled library. An axiom below the
// library's surface cannot be traced, because these library files leave proofs out; the library itself is trusted.
'use strict';

const { comparison, nameKey } = require('./compare.js');
const { exporter } = require('./export.js');
const { key } = require('./lean.js');

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
const INDUCTIVE = 5; // tag of ConstantInfo.inductInfo
const AXIOM_KIND = 2; // ConstantKind.axiom

/**
 * An auditor over a session (lean.js). `audit(reference, candidate)` → {ok, …} or {ok: false, reason, …};
 * `library(names)` → an export of those library constants (components of names) and of all that they depend on.
 */
exports.auditor = (session) => {
  const { lean, libraryKernel } = session;
  const { raw, call, inc, dec, box, field, tag, isScalar, mkCtor, mkName, mkNat, mkString, mkList, unbox } = lean;

  const kinds = new Map(); // library constant's key → 'absent' | 'axiom' | 'inductive' | 'other'
  /** What a library constant is. Its files store theorems and hidden definitions as axioms and record what they were. */
  function libraryKind(components) {
    const k = components.map((c) => (typeof c === 'string' ? JSON.stringify(c) : c.n)).join('.');
    if (!kinds.has(k)) {
      const found = raw('lean_environment_find')(inc(libraryKernel), mkName(components)) >>> 0;
      let kind = 'absent';
      if (!isScalar(found)) {
        kind = tag(field(found, 0)) === INDUCTIVE ? 'inductive' : 'other';
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

  /** The library's constants by key, looked up one by one: there are too many to list. */
  const libraryByKey = {
    ofLibrary: true,
    found: new Map(), // pointers are borrowed from the library, which is never freed
    get(k) {
      if (!this.found.has(k)) {
        const components = [...k.matchAll(/"(?:[^"\\]|\\.)*"|[0-9]+/g)].map(([c]) => (c[0] === '"' ? JSON.parse(c) : { n: c }));
        const option = raw('lean_environment_find')(inc(libraryKernel), mkName(components)) >>> 0;
        this.found.set(k, isScalar(option) ? undefined : field(option, 0));
        dec(option);
      }
      return this.found.get(k);
    },
    has(k) {
      return this.get(k) !== undefined;
    },
  };
  const library = (names) => exporter(lean, libraryByKey).addAll(names.map(key));

  const componentsOf = (names, index) => {
    const parts = [];
    for (let i = index; i; i = names[i][0]) parts.push(names[i][1]);
    return parts.reverse();
  };

  /**
   * What is out of the ordinary about an inductive declaration, or null. This kernel can be led to False by types whose
   * sort or recursive fields show only after reduction, and by a sort that is Prop but not written so; people write all
   * of it plainly. `definitions` has the bodies of the constants that may stand for a type (name → expression).
   */
  function oddity({ names, levels, exprs, declarations }, d, definitions) {
    const positive = [], variable = []; // by level: never zero; parameters and their maxima only
    for (const [kind, a, b] of levels) {
      positive.push(kind === 's' || (kind === 'm' && (positive[a] || positive[b])) || (kind === 'i' && positive[b]));
      variable.push(kind === 'p' || (kind === 'm' && variable[a] && variable[b]));
    }
    const hasPlainSort = (i) => {
      // Through the bodies of definitions only what no argument can change counts: the sort at their end.
      for (let unfolded = false; ; ) {
        const [kind, x, y, z] = exprs[i];
        if (kind === 's') return levels[x][0] === '0' || positive[x] || (variable[x] && !unfolded);
        if (kind === 'p' || (kind === 'l' && unfolded)) i = z;
        else if (kind === 'a') i = x;
        else if (kind === 'c' && definitions.has(x)) [i, unfolded] = [definitions.get(x), true];
        else return false;
      }
    };
    const declared = new Set(declarations.flatMap((e) => (e.types || []).map((t) => t.n)));
    const block = new Set(d.types.map((t) => t.n));
    const recursive = []; // by expression: whether it uses a type of the block
    for (const [kind, x, y, z, v] of exprs) {
      switch (kind) {
        case 'c': recursive.push(block.has(x)); break;
        case 'a': recursive.push(recursive[x] || recursive[y]); break;
        case 'l': case 'p': recursive.push(recursive[y] || recursive[z]); break;
        case 't': recursive.push(recursive[y] || recursive[z] || recursive[v]); break;
        case 'j': recursive.push(recursive[z]); break;
        default: recursive.push(false);
      }
    }
    /** Whether each use of the block is as an argument of inductive types, or behind arrows. */
    const isPlain = (type) => {
      const seen = new Set();
      const stack = [type];
      while (stack.length) {
        let i = stack.pop();
        if (!recursive[i] || seen.has(i)) continue;
        seen.add(i);
        if (exprs[i][0] === 'p' || exprs[i][0] === 'l') {
          stack.push(exprs[i][2], exprs[i][3]);
          continue;
        }
        for (; exprs[i][0] === 'a'; i = exprs[i][1]) stack.push(exprs[i][2]);
        const [kind, n] = exprs[i];
        if (kind !== 'c' || !(declared.has(n) || libraryKind(componentsOf(names, n)) === 'inductive')) return false;
      }
      return true;
    };
    /**
     * Whether each use of the block in a constructor's type has the block's own universe levels and parameters. This
     * kernel forgets the arguments of nested occurrences, and what hides there is free to differ (lean4#14582).
     */
    const isUniform = (type) => {
      const parameters = Number(d.p);
      const seen = new Set();
      const stack = [[type, 0]]; // and the number of binders around it: the first ones are the parameters
      while (stack.length) {
        const [i, depth] = stack.pop();
        const visit = `${i} ${depth}`;
        if (!recursive[i] || seen.has(visit)) continue;
        seen.add(visit);
        const [kind, x, y, z, v] = exprs[i];
        switch (kind) {
          case 'l': case 'p': stack.push([y, depth], [z, depth + 1]); break;
          case 't': stack.push([y, depth], [z, depth], [v, depth + 1]); break;
          case 'j': stack.push([z, depth]); break;
          default: {
            const args = [];
            let head = i;
            for (; exprs[head][0] === 'a'; head = exprs[head][1]) args.push(exprs[head][2]);
            args.reverse();
            for (const argument of args) stack.push([argument, depth]);
            if (exprs[head][0] !== 'c') stack.push([head, depth]);
            else if (block.has(exprs[head][1])) {
              const ownLevels = exprs[head][2].map((l) => levels[l]);
              if (ownLevels.length !== d.l.length || !ownLevels.every(([k, n], j) => k === 'p' && n === d.l[j])) return false;
              for (let j = 0; j < parameters; j++) {
                const argument = exprs[args[j]];
                if (!argument || argument[0] !== 'v' || argument[1] !== String(depth - 1 - j)) return false;
              }
            }
          }
        }
      }
      return true;
    };
    if (!d.types.every((t) => !recursive[t.t])) return 'a type that mentions itself';
    if (!d.types.every((t) => t.c.every((c) => isUniform(c.t)))) return 'an occurrence with other parameters';
    if (!d.types.every((t) => hasPlainSort(t.t))) return 'a sort that has to be worked out';
    if (!d.types.every((t) => t.c.every((c) => isPlain(c.t)))) return 'a recursive field that has to be worked out';
    return null;
  }

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
    const used = []; // library constants, as components
    for (const e of candidate.exprs) {
      if (e[0] !== 'c' && e[0] !== 'j') continue;
      const n = e[1];
      if (asked.has(n)) continue;
      asked.add(n);
      const k = nameKey(candidate.names, n);
      if (COMPILER_TRUST.has(k)) forbidden.add(display(n));
      else {
        const kind = libraryKind(componentsOf(candidate.names, n));
        if (kind === 'axiom') (STANDARD_AXIOMS.has(k) ? axioms : forbidden).add(display(n));
        if (kind !== 'absent') used.push(componentsOf(candidate.names, n));
      }
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
      const listed = new Set(candidate.names.map((row) => row && `${row[0]} ${keyOf(row[1])}`));
      if (listed.size !== candidate.names.length) throw new Malformed('a name is listed twice');
      // This kernel names types so while it adds an inductive type, and takes another's for its own.
      if (candidate.names.some((row) => row && row[0] === 0 && row[1] === '_nested'))
        return { ok: false, reason: 'unsupported', detail: 'a name that begins with _nested' };
      const names = table(candidate.names, (row, t) =>
        row === null
          ? box(0)
          : typeof row[1] === 'string'
            ? raw('lean_name_mk_string')(at(t, row[0]), mkString(wellFormed(row[1]))) >>> 0
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
      /** Adds a declaration (owned) to an environment (owned): the new one, or 0 and `refusal` has the reason. */
      let refusal = null;
      const added = (base, object, d) => {
        const result = raw('lean_add_decl')(base, maxHeartbeats, object, box(0)) >>> 0;
        dec(object);
        const grown = tag(result) === 0 ? 0 : inc(field(result, 0));
        if (!grown) {
          const error = field(result, 0);
          const what = KERNEL_ERRORS[isScalar(error) ? unbox(error) : tag(error)] || 'kernel exception';
          const reason = RESOURCE_ERRORS.has(what) ? 'resources' : 'kernel';
          refusal = { ok: false, reason, detail: `${what} at ${display(d.n)}` };
        }
        dec(result);
        return grown;
      };
      /** `∀ _ : type, True`, as a definition: checked for its type's sake. */
      const use = (d, c) => {
        const name = () => raw('lean_name_mk_numeral')(at(names, c.n), mkNat('0')) >>> 0;
        const prop = raw('lean_expr_mk_sort')(raw('lean_level_mk_zero')(box(0)) >>> 0) >>> 0;
        const body = raw('lean_expr_mk_const')(mkName(['True']), box(0)) >>> 0;
        const value = raw('lean_expr_mk_forall')(box(0), at(exprs, c.t), body, 0) >>> 0;
        const header = mkCtor(0, [name(), parameters(d.l), prop]);
        return mkCtor(1, [mkCtor(0, [header, value, box(1), mkList([name()])], [SAFE])]);
      };
      const definitions = new Map();
      for (const d of candidate.declarations) {
        const object = declaration(d);
        const odd = d.k === 'inductive' ? oddity(candidate, d, definitions) : null;
        if (odd) {
          dec(object);
          return { ok: false, reason: 'unsupported', detail: `${odd} at ${display(d.n)}` };
        }
        environment = added(environment, object, d);
        if (!environment) return refusal;
        if (d.k === 'definition') definitions.set(d.n, d.v);
        // This kernel leaves arguments of nested occurrences unchecked, so every constructor's type is checked once more.
        for (const c of d.k === 'inductive' ? d.types.flatMap((t) => t.c) : []) {
          const checked = added(inc(environment), use(d, c), d);
          if (!checked) return refusal;
          dec(checked);
        }
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
      library: used,
    };
  }
  return { audit, library };
};

class Malformed extends Error {}

const keyOf = (component) => (typeof component === 'string' ? JSON.stringify(component) : component.n);

function wellFormed(s) {
  if (!s.isWellFormed()) throw new Malformed('a name is not Unicode');
  return s;
}

function digits(s) {
  if (typeof s !== 'string' || !/^(0|[1-9][0-9]{0,99999})$/.test(s)) throw new Malformed('a number is not written in digits');
  return s;
}
