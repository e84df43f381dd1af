"""The weight of images, sounds, films and documents, which are never decoded here.

| what                                             | tokens                                     |
|--------------------------------------------------|--------------------------------------------|
| image                                            | 1,600; 4,800 with `detail` original        |
| sound, uncompressed (wav, pcm, l16)              | 1 per 500 bytes                            |
| sound, compressed; film                          | 1 per 125 bytes                            |
| text as a file                                   | 1 per 2 bytes                              |
| any other document                               | 1 per 50 bytes, at least 1,500             |
| not here but at an address, or a file by its id  | image as above, sound 2,000, film 20,000, document 10,000 |

Sources: the largest usual image of Anthropic's rules; Google's 32 tokens a second of sound and 263 of film, at 4 and
33 kB a second, which are low; Anthropic's 1,500 to 3,000 tokens a page of a PDF, at 60 kB a page or more.
"""

from nexusflow.ir.chat import Data, Media

IMAGE = 1_600
ORIGINAL_IMAGE = 4_800
ELSEWHERE = {"audio": 2_000, "video": 20_000, "file": 10_000}
DOCUMENT_FLOOR = 1_500
_UNCOMPRESSED = ("wav", "wave", "x-wav", "vnd.wave", "pcm", "l16", "aiff", "x-aiff")


def weigh(media: Media) -> int:
    """Whole tokens of one part's media, without its title and transcript."""
    if media.kind == "image":
        return ORIGINAL_IMAGE if media.detail == "original" else IMAGE
    source = media.source
    if not isinstance(source, Data):
        return ELSEWHERE[media.kind]
    size = len(source.base64) * 3 // 4
    family, _, subtype = source.mime.partition("/")
    if media.kind == "audio":
        return size // (500 if subtype in _UNCOMPRESSED else 125) + 1
    if media.kind == "video":
        return size // 125 + 1
    return size // 2 + 1 if family == "text" else max(DOCUMENT_FLOOR, size // 50)
