package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/go-braid/braid/export"
	"github.com/go-braid/braid/record"
)

// exporters write a run, by the name of the format.
var exporters = map[string]func(io.Writer, record.Info) error{
	"chrome": withReader(export.Chrome),
	"md":     withReader(export.Markdown),
	"csv":    withReader(func(w io.Writer, r *record.Reader) error { return export.CSV(w, r, export.CSVConfig{}) }),
	"ndjson": copyRecord,
}

func exportFormats() []string { return slices.Sorted(maps.Keys(exporters)) }

// withReader makes an exporter of a function that reads the record.
func withReader(write func(io.Writer, *record.Reader) error) func(io.Writer, record.Info) error {
	return func(w io.Writer, run record.Info) error {
		r, err := record.Open(run.Path)
		if err != nil {
			return err
		}
		defer r.Close()
		return write(w, r)
	}
}

func copyRecord(w io.Writer, run record.Info) error {
	f, err := os.Open(run.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// exportError says that a run could not be exported.
func exportError(err error) error {
	if err == nil {
		return nil
	}
	_, file := errors.AsType[*fs.PathError](err)
	if readerGone(err) || errors.Is(err, syscall.ENOSPC) || file {
		return outputError(err)
	}
	return usageError(fmt.Errorf("the run cannot be exported: %w", err), "--format ndjson, which writes the record as it is")
}
