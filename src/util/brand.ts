declare const brand: unique symbol;
/** `T` that was validated (or made) by the one module that may claim `Name`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
