// Sphinx finds pages, and fetches them for excerpts. This finds sections, and fetches nothing.
const SECTIONS = []; // of each: the page, the titles, the anchor, the words
const stemmer = new Stemmer(), stems = {};
const stem = word => stems[word] ??= stemmer.stemWord(word.toLowerCase());
const hits = (text, wanted) =>
  [...text.matchAll(/[\p{L}\p{N}_]+/gu)].filter(([word]) => wanted.has(stem(word)));

Search._performSearch = (query, wanted) => {
  const found = [];
  for (const [page, title, anchor, text] of SECTIONS) {
    const inTitle = hits(title, wanted), inText = hits(text, wanted), all = [...inTitle, ...inText];
    if (!all.length || new Set(all.map(([word]) => stem(word))).size < wanted.size) continue;
    const start = Math.max(0, text.lastIndexOf(" ", (inText[0]?.index ?? 0) - 80));
    const excerpt = text.slice(start, start + 200).replace(/\S+$/, "…");
    found.push([page, title, anchor, excerpt, 20 * inTitle.length + inText.length, page, "text"]);
  }
  return found.sort((a, b) => a[4] - b[4]); // the last is shown first
};
Documentation.ngettext = (one, many, n) => (n === 1 ? one : many).replace("page", "section");
