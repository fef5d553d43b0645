import { expect, it } from 'vitest';
import { validate } from '../src/lib/upload/validate';

const TIME = 1_700_000_000_000;

function photo(path: string, content: string, lastModified = TIME) {
  const name = path.split('/').at(-1) ?? path;
  return { file: new File([content], name, { lastModified }), relativePath: path.includes('/') ? path : null };
}

const pathsOf = (files: { file: File; relativePath: string | null }[]) =>
  files.map(({ file, relativePath }) => relativePath ?? file.name);

it('leaves out what is the same photo once more, and nothing that merely looks like it', async () => {
  const files = [
    photo('holiday/a.jpg', 'the photo'),
    photo('a.jpg', 'the photo'),
    photo('copy/a.jpg', 'The photo'),
    photo('holiday/b.jpg', 'the photo'),
    photo('later/a.jpg', 'the photo', TIME + 1),
  ];
  const { sound, leftOut } = await validate(files);
  expect(pathsOf(sound)).toEqual(['holiday/a.jpg', 'copy/a.jpg', 'holiday/b.jpg', 'later/a.jpg']);
  expect(leftOut).toEqual([{ path: 'a.jpg', reason: 'duplicate' }]);
});

it('looks at the end as well as at the beginning', async () => {
  const head = 'x'.repeat(100_000);
  const { sound } = await validate([photo('1/a.jpg', `${head}1`), photo('2/a.jpg', `${head}2`)]);
  expect(sound).toHaveLength(2);
});

it('leaves out what systems put beside photos, and says so', async () => {
  const names = ['.DS_Store', '._IMG_1.JPG', 'Thumbs.db', 'desktop.ini', 'IMG_1.JPG', 'README.md'];
  const { sound, leftOut } = await validate(names.map((name) => photo(`card/${name}`, name)));
  expect(pathsOf(sound)).toEqual(['card/IMG_1.JPG', 'card/README.md']);
  expect(new Set(leftOut.map(({ reason }) => reason))).toEqual(new Set(['system']));
});

it('takes two files that cannot be read for two', async () => {
  const files = [photo('1/a.jpg', 'same'), photo('2/a.jpg', 'same')];
  for (const { file } of files)
    file.slice = () => {
      throw new DOMException('gone', 'NotReadableError');
    };
  expect((await validate(files)).sound).toHaveLength(2);
});
