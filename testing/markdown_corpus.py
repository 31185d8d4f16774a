"""Markdown as models write it, and as they should not."""

TIDY = """# Tides

Water follows the **moon** and the *sun*; see [NOAA](https://noaa.gov/tides "t") & `code`.
A second line of the same paragraph.

## Steps

1. Pull
2. Turn
   - nested one
   - nested two
3. Flood

   A paragraph inside.

   ```python
   def tide(hours: float) -> float:
       return 2 * hours
   ```

- [ ] open
- [x] done

> Quoted **text**
> goes on
>
> - with a list

| name | height | note |
|:-----|-------:|:----:|
| Fundy | 16 m | `big` |
| Baltic | 0.1 m | a<br>b |

```js
const a = `x`;

// ``` not the end
console.log(a);
```

---

Setext heading
==============

Another
-------

Done. 👋🏽 café — naïve 中文 👨‍👩‍👧
"""

ODD = [
    "Para\n- item\n- other\n\nAfter\n",
    "Para\n-\n",
    "Para\n---\nmore\n***\nmore\n",
    "- a\n\n- b\n\n\n- c\n\nText right after.\n",
    "- a\n\n  still a\n\n    code?\n\nText\n",
    "1. one\n1. two\n\n10. ten\n\n3) other\n",
    "* a\n+ b\n- c\n",
    "Text\n```\nunclosed\n\n``\n`` `\n",
    "```\n\n\n```\n\nx",
    "```py\na\n```x\nb\n```\nc",
    "~~~\n```\n~~~\nafter\n\n````md\n```py\nx\n```\n````\n",
    "   ```\n   indented fence\n     deeper\n   ```\nafter\n",
    "    indented code\n\n    goes on\n\nText\n",
    "[ref] and [other][b] and ![pic][ref]\n\nmore\n\n[ref]: https://example.com/a?x=1&amp;y=2\n"
    "[b]: https://example.org 'title'\n",
    '[late]: https://example.com\n"title"\n\nUse [late] twice [late]\n',
    "| a | b |\n|---|---|\n| 1 | 2 |\nlazy row\n\n| not a table |\n\n|a|b|\n|---|\n",
    "Text before\n| a | b |\n| - | - |\n| c | d |\n",
    "<div>\n**raw**\n\n</div>\n\n<b>in</b> line <br> break<!-- c -->\n\n"
    "<!-- open\n\ncomment\n\n-->\nx\n",
    "Escapes \\* \\_ \\# &amp; &lt;b&gt; &copy; &#128512; &nosuch; &amp;lt;\n",
    "**bold *both*** ~~gone~~ ~one~ __under__ snake_case_word *open\n\n**open\n",
    "https://example.com/a_b_c, www.example.org and me@example.com.\n",
    "Line one  \nline two\\\nline three\nline four\n",
    "Windows\r\n\r\n- a\r\n- b\r\n\r\n```\r\ncode\r\n```\r\nold\rmac\r",
    "> a\nlazy\n\n> b\n> ```\n> code\n> ```\n> > deep\n\n>\n",
    "# \n## Two ##\n####### seven\n#nospace\n",
    "\n\n\n  leading blank lines\n\n\n\n\ntrailing\n\n\n",
    "\ttab code\n\n-\ttab item\n\n\t- nested tab\n",
    "- ```\n  code in item\n  ```\n- # heading in item\n- > quote in item\n-\n- [ ] \n",
    "a\n***\nb\n* * *\nc\n\n- - -\n",
    "1\n\n2\n\n42. answer\n\n3.14 is pi\n",
    "[![badge](https://img.example/b.svg)](https://ci.example)\n[a ![b](https://c.example) d](x)\n",
    "$x^2$ and \\(y\\) and \\[z\\]\n\n$$\nE = mc^2\n$$\n",
    "---\ntitle: front matter\n---\n\ntext\n",
    "- a\n  - b\n    - c\n      - d\n        1. e\n\n           text in e\n- f\n",
    "x\n" + "\n".join(f"- item {n} with **bold** and `code`" for n in range(12)) + "\n\nend",
    "> 1. a\n>    ```py\n>    x = 1\n>    ```\n>\n>    b **c\n>    d**\n> 2. | a | b |\n"
    ">    |---|---|\n>    | 1 | [^n] |\n>    | 3 | 4 |\n>\n>    <details>\n"
    ">    <summary>s *t*</summary>\n>\n>    e\n>\n>    f\n>\n>    </details>\n> ---\n> `x` g\n"
    "> > h\n> > - [ ] i `j\n> > - [x] k\n",
    "- a\n  > b\n  > ```\n  > c\n  > ```\n  - d\n    1. e *f*\n    2. g\n\n       h\n  - [ ] i\n"
    "    ```\n    j\n    ```\n- ```\n  k\n  ```\n  l\n\n  # m\n- n [^n] <b>o</b> `p`\n",
    "<details><summary>a `b`</summary>\n\n- c\n- d\n\n<details>\n\n| e |\n|---|\n| f |\n\n> g\n\n"
    "</details>\n\nh\n</details>\ni\n",
    "> [it] **a**\n>\n> - [it] b\n> - c\n>   - [it]\n>\n> | [it] |\n> |---|\n> | [it] |\n"
    "> | d |\n\nAfter [it]\n\n[it]: https://example.com\n",
    "[^1]: a **b\n    c** [^2]\n\n    - d\n    - e\n\n[^2]: ```\n    f\n    ```\n    g [^1]\n",
    "a <b>b [c](javascript:d) *e [f](https://g.example) h* i ![j](data:k) l [*m* n](o) `q` [s",
    "`` a ` b `` and ``` c ``` and `unclosed\n\n`next`\n",
    "Term\n: not a definition list\n\n[^1] footnote\n\n[^1]: note\n",
    "> ```\n" * 6 + "> - ```\n" * 4 + "<details>\n\n" * 4 + "-\n- - a\n" + "[^1]: a\n" * 3,
    "",
    " ",
    "\n",
    "x",
    "-",
    "```",
]
