// Masks secrets in every text that leaves the program: log lines, errors, configuration faults.
// The time grows linearly with the length of the text. Each search begins at a fixed text or at the
// start of a word, and the masks of URLs search each run of characters once.

const keys = 'passw(?:or)?d|passphrase|secret|token|api_?key';
/** Words after the place of a setting in a sentence of this program. */
const verbs = '(?:is|are|must|has|does|cannot|expected|needs|there) ';
/** A name of a secret before a value in quotes. */
const toValuePattern = (value: string): RegExp =>
  new RegExp(String.raw`(${keys})(\\?["']?\s{0,4}[:=]\s{0,4})${value}`, 'gi');

/** Words up to a `;`, the end of the line or of the quoted text. In JSON an escape ends them. */
const words = String.raw`(?:\\\\|\\(?![n"\\])|(?<=\w)'(?=\w)|[^"'\n;\\])+`;

/** The password of a URL with a quote or a space. A port ends the search, and what is `end`. */
const spaced = (end: string): RegExp =>
  new RegExp(
    String.raw`(:\/\/[^\s/@:"'<>\x60[]*:)(?!\s|\*\*\*@|password@|\d{1,5}(?:[/?#\s"'),;\\]|$))(?:(?!:\/\/${end})[^\n@]){1,200}@(?:[^\s"'<>\x60@]*@)*`,
    'g',
  );
const inSentence = spaced('');
/** A text of JSON ends at its quote. */
const inJson = spaced(String.raw`|(?<!\\)"[,}\]\s:]`);

const secrets: readonly (readonly [RegExp, string])[] = [
  // Tokens of the API, sign-in links, sessions: the first 8 characters are the id and no secret.
  [/\b(pr[nls])_([0-9A-Za-z]{8})[0-9A-Za-z]{16,}/g, '$1_$2***'],
  // Tokens of Telegram's bots.
  [/\b(bot)?\d{5,20}:[\w-]{20,}/g, '$1***'],
  // A value that is named as a secret: `?password=…`, `PGPASSWORD=…`, `"password":"…"`.
  [/(PASSWORD=)(?!\*\*\*|["'])(?:(?! \w+=|\\?"|\\n)[^\n&;,])+/g, '$1***'],
  [toValuePattern(String.raw`"(?!\*\*\*"|[,}\]])(?:[^"\\\n]|\\[^\n])*"`), '$1$2"***"'],
  [toValuePattern(String.raw`\\"(?!\*\*\*)[^"\\\n]*\\"`), '$1$2\\"***\\"'],
  [toValuePattern(String.raw`'(?!\*\*\*')(?:[^'"\\\n]|\\[^\n])*'`), "$1$2'***'"],
  [new RegExp(String.raw`(${keys})=(?!\*\*\*)[^&\s"',;\\]+`, 'gi'), '$1=***'],
  // YAML: the rest of the line, or up to a `;`. `email.password: is missing` is a sentence of ours.
  [new RegExp(String.raw`^([ \t-]*(?:${keys}): )(?!${verbs}|\*\*\*)[^"'\n]+$`, 'gim'), '$1***'],
  [new RegExp(String.raw`(?<![.\w])(${keys}): (?!${verbs}|\*\*\*)${words}`, 'gi'), '$1: ***'],
  // Links open nodes, and the subscription URL lists links.
  [/\b(vless|vmess|trojan|ss|hysteria2?|hy2|tuic|socks5?):\/\/[^\s"'\\]+/gi, '$1://***'],
  [/\/sub\/[\w-]{16,}/g, '/sub/***'],
];

/** Characters without a space or a quote, which may contain a URL. */
const wordPattern = /[^\s"'<>`]+/g;

export function maskSecrets(text: string): string {
  const masked = text.includes('://') ? text.replace(wordPattern, maskPassword) : text;
  const url = /^\s*[{[]/.test(text) ? inJson : inSentence;
  return secrets.reduce(
    (inner, [secret, mask]) => inner.replace(secret, mask),
    masked.replace(url, '$1***@'),
  );
}

/**
 * The password of a URL, up to the last `@`: a password that is not encoded can contain each of
 * `@ : / ? #`. Without an `@` it is a port, or a URL that was cut.
 */
function maskPassword(word: string): string {
  const begin = word.indexOf('://');
  if (begin === -1) return word;
  const colon = word.indexOf(':', begin + 3);
  const at = word.lastIndexOf('@');
  if (colon === -1 || at < colon || word.slice(colon + 1, at) === placeholder) return word;
  return `${word.slice(0, colon)}:***${word.slice(at)}`;
}

/** The password of the examples in messages of this program. */
const placeholder = 'password';
