// Masks secrets in every text that leaves the program: log lines, errors, faults of a configuration.
// The time grows linearly with the length of the text. Each search begins at a fixed text or at the
// start of a word, and the masks of URLs search each run of characters once.

const keys = 'passw(?:or)?d|passphrase|secret|token|api_?key';
/** Words after the place of a setting in a sentence of this program. */
const verbs = '(?:is|are|must|has|does|cannot|expected|needs|there) ';
/** A name of a secret before a value in quotes. */
const toValuePattern = (value: string): RegExp =>
  new RegExp(String.raw`(${keys})(\\?["']?\s{0,4}[:=]\s{0,4})${value}`, 'gi');

const secrets: readonly (readonly [RegExp, string])[] = [
  // Tokens of the API: the first 8 characters name the token and are no secret.
  [/\bprn_([0-9A-Za-z]{8})[0-9A-Za-z]{16,}/g, 'prn_$1***'],
  // Tokens of Telegram's bots.
  [/\b(bot)?\d{5,20}:[\w-]{20,}/g, '$1***'],
  // The password of a URL with a quote or a space. A port or the end of a quoted text ends the search.
  [
    /(:\/\/[^\s/@:"'<>`[]*:)(?!\s|\*\*\*@|password@|\d{1,5}(?:[/?#\s"'),;\\]|$))(?:(?!:\/\/|"[,}\]\s:])[^\n@]){1,200}@(?:[^\s"'<>`@]*@)*/g,
    '$1***@',
  ],
  // A value that is named as a secret: `?password=…`, `PGPASSWORD=…`, `"password":"…"`.
  [/(PASSWORD=)(?!\*\*\*|["'])(?:(?! \w+=|\\?"|\\n)[^\n&;,])+/g, '$1***'],
  [toValuePattern(String.raw`"(?!\*\*\*"|[,}\]])(?:[^"\\\n]|\\[^\n])*"`), '$1$2"***"'],
  [toValuePattern(String.raw`\\"(?!\*\*\*)[^"\\\n]*\\"`), '$1$2\\"***\\"'],
  [toValuePattern(String.raw`'(?!\*\*\*')(?:[^'"\\\n]|\\[^\n])*'`), "$1$2'***'"],
  [new RegExp(String.raw`(${keys})=(?!\*\*\*)[^&\s"',;\\]+`, 'gi'), '$1=***'],
  // YAML: a whole line, or a word of a sentence. `email.password: is missing` is a sentence of ours.
  [new RegExp(String.raw`^([ \t-]*(?:${keys}): )(?!${verbs}|\*\*\*)[^"'\n]+$`, 'gim'), '$1***'],
  [new RegExp(String.raw`(?<![.\w])(${keys}): (?!${verbs}|\*\*\*)[^\s"',;\\]+`, 'gi'), '$1: ***'],
  // Links open nodes, and the subscription URL lists links.
  [/\b(vless|vmess|trojan|ss|hysteria2?|hy2|tuic|socks5?):\/\/[^\s"'\\]+/gi, '$1://***'],
  [/\/sub\/[\w-]{16,}/g, '/sub/***'],
];

/** Characters without a space or a quote, which may contain a URL. */
const wordPattern = /[^\s"'<>`]+/g;

export function maskSecrets(text: string): string {
  const masked = text.includes('://') ? text.replace(wordPattern, maskPassword) : text;
  return secrets.reduce((inner, [secret, mask]) => inner.replace(secret, mask), masked);
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
