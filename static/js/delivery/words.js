/**
 * The sentences a page's modules may say. They stand in the page's `words` block, so that the
 * catalogues of the templates are the only place with language in it.
 */

let found = null;

export function words(root = document) {
  found ??= JSON.parse(root.getElementById("words")?.textContent ?? "{}");
  return found;
}

/** Puts `values` in the place of `{name}`. */
export function fill(sentence, values = {}) {
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** The sentence for `count`: `forms` is `{one, other}`, and either may hold `{count}`. */
export function counted(forms, count, values = {}, lang = "en") {
  const form = forms[new Intl.PluralRules(lang).select(count)] ?? forms.other;
  return fill(form, { ...values, count });
}

export function pageLanguage() {
  return document.documentElement.lang || "en";
}
