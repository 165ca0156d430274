package cache

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
)

// A Codec turns keys or values into bytes and back, for [Cache.WriteTo] and [Cache.ReadFrom]. Its methods are
// called with no lock held.
type Codec[T any] interface {
	// Append appends the encoding of v to dst.
	Append(dst []byte, v T) ([]byte, error)

	// Decode returns what src is the encoding of. It must not keep src.
	Decode(src []byte) (T, error)
}

// codecOf returns the default codec: strings and slices of bytes as they are, what has a fixed size in its
// binary form, what marshals itself as it does, and all else as JSON.
func codecOf[T any]() Codec[T] {
	t := reflect.TypeFor[T]()
	_, marshals := any(*new(T)).(encoding.BinaryMarshaler)
	_, unmarshals := any(new(T)).(encoding.BinaryUnmarshaler)
	if t.Kind() == reflect.Pointer {
		_, unmarshals = any(*new(T)).(encoding.BinaryUnmarshaler)
	}
	switch {
	case marshals && unmarshals && t.Kind() == reflect.Pointer:
		return pointerCodec[T]{}
	case marshals && unmarshals:
		return selfCodec[T]{}
	case t.Kind() == reflect.String, t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return rawCodec[T]{}
	case t.Kind() == reflect.Int, t.Kind() == reflect.Uint:
		return wordCodec[T]{}
	case binary.Size(*new(T)) >= 0 && exported(t):
		return fixedCodec[T]{}
	}
	return jsonCodec[T]{}
}

// exported reports whether encoding/binary can set all of a t.
func exported(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return exported(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.PkgPath != "" || !exported(f.Type) {
				return false
			}
		}
	case reflect.Pointer, reflect.Slice:
		return false
	}
	return true
}

// rawCodec is for types of kind string and []byte.
type rawCodec[T any] struct{}

func (rawCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if r := reflect.ValueOf(&v).Elem(); r.Kind() == reflect.String {
		return append(dst, r.String()...), nil
	} else {
		return append(dst, r.Bytes()...), nil
	}
}

func (rawCodec[T]) Decode(src []byte) (v T, err error) {
	if r := reflect.ValueOf(&v).Elem(); r.Kind() == reflect.String {
		r.SetString(string(src))
	} else {
		r.SetBytes(bytes.Clone(src))
	}
	return v, nil
}

// wordCodec is for int and uint, whose size depends on the machine.
type wordCodec[T any] struct{}

func (wordCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if r := reflect.ValueOf(v); r.CanInt() {
		return binary.AppendVarint(dst, r.Int()), nil
	} else {
		return binary.AppendUvarint(dst, r.Uint()), nil
	}
}

func (wordCodec[T]) Decode(src []byte) (v T, err error) {
	r := reflect.ValueOf(&v).Elem()
	if r.CanInt() {
		i, n := binary.Varint(src)
		if n != len(src) || r.OverflowInt(i) {
			return v, fmt.Errorf("% x is no %T", src, v)
		}
		r.SetInt(i)
		return v, nil
	}
	i, n := binary.Uvarint(src)
	if n != len(src) || r.OverflowUint(i) {
		return v, fmt.Errorf("% x is no %T", src, v)
	}
	r.SetUint(i)
	return v, nil
}

// fixedCodec is for types of a fixed size.
type fixedCodec[T any] struct{}

func (fixedCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	return binary.Append(dst, binary.LittleEndian, v)
}

func (fixedCodec[T]) Decode(src []byte) (v T, err error) {
	n, err := binary.Decode(src, binary.LittleEndian, &v)
	if err == nil && n != len(src) {
		err = fmt.Errorf("%d bytes, want %d", len(src), n)
	}
	return v, err
}

// selfCodec is for types that have methods for it.
type selfCodec[T any] struct{}

func (selfCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := any(v).(encoding.BinaryMarshaler).MarshalBinary()
	return append(dst, b...), err
}

func (selfCodec[T]) Decode(src []byte) (v T, err error) {
	return v, any(&v).(encoding.BinaryUnmarshaler).UnmarshalBinary(bytes.Clone(src))
}

// pointerCodec is for pointers that have them. Nil is nothing, and all else begins with a byte.
type pointerCodec[T any] struct{}

func (pointerCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if reflect.ValueOf(v).IsNil() {
		return dst, nil
	}
	b, err := any(v).(encoding.BinaryMarshaler).MarshalBinary()
	return append(append(dst, 1), b...), err
}

func (pointerCodec[T]) Decode(src []byte) (v T, err error) {
	if len(src) == 0 {
		return v, nil
	}
	v = reflect.New(reflect.TypeFor[T]().Elem()).Convert(reflect.TypeFor[T]()).Interface().(T)
	return v, any(v).(encoding.BinaryUnmarshaler).UnmarshalBinary(bytes.Clone(src[1:]))
}

type jsonCodec[T any] struct{}

func (jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(dst, b...), err
}

func (jsonCodec[T]) Decode(src []byte) (v T, err error) {
	return v, json.Unmarshal(src, &v)
}
