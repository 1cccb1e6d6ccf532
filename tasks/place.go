package tasks

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errPlaceTaken = errors.New("its place belongs to another file")

// placeOf returns where the compressed file of path belongs, below the folder
// for such files: a local path, as filepath.IsLocal has it. Two files never have
// the same place; one file may have several, if it has several names.
func placeOf(path string) (string, error) {
	local := filepath.Clean(path)
	if filepath.IsLocal(local) && !climbs(path) {
		return local + ".gz", nil
	}
	wd, absolute, err := locate(path)
	if err != nil {
		return "", readError(path, err)
	}
	if rel, err := filepath.Rel(wd, absolute); err == nil && filepath.IsLocal(rel) {
		return rel + ".gz", nil
	}
	// Without the root it may read as the path of another file.
	place := withoutRoot(absolute)
	if !filepath.IsLocal(place) {
		return "", &FileError{path, errors.New("its path has no place in a folder"), "copy the file to where it has another name"}
	}
	if _, err := os.Lstat(filepath.Join(wd, place)); err == nil {
		return "", &FileError{path, errPlaceTaken, "it would be compressed to the same file as " + display(place) +
			" in the current folder: run from another folder"}
	}
	return place + ".gz", nil
}

// climbs reports whether path has a "..", behind which may be another folder
// than the path suggests, if symbolic links are before it.
func climbs(path string) bool {
	return slices.Contains(strings.FieldsFunc(path, func(c rune) bool {
		return c < 0x80 && os.IsPathSeparator(uint8(c))
	}), "..")
}

// locate returns absolute paths of the current folder and of the file, without
// "..". Where there was one, both are without symbolic links, too, but for the
// name of the file itself.
func locate(path string) (wd, absolute string, err error) {
	if wd, err = os.Getwd(); err != nil {
		return "", "", err
	}
	if !climbs(path) {
		absolute, err = filepath.Abs(path)
		return wd, absolute, err
	}
	if wd, err = filepath.EvalSymlinks(wd); err != nil {
		return "", "", err
	}
	dir, name := filepath.Split(path)
	if !filepath.IsAbs(dir) {
		dir = wd + string(filepath.Separator) + dir // and not Join, which takes ".." away
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", "", err
	}
	return wd, filepath.Join(dir, name), nil
}

// withoutRoot makes an absolute path a local one. The letter of a drive, and the
// host and share of a network path, become folders.
func withoutRoot(path string) string {
	volume := filepath.VolumeName(path)
	rest := path[len(volume):]
	volume = strings.Trim(strings.ReplaceAll(volume, ":", ""), `\/?.`)
	return strings.TrimLeft(filepath.Join(volume, rest), `\/`)
}
